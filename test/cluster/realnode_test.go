package cluster

import (
	"fmt"
	"strings"
	"testing"

	"daemun/test/cluster/lab"
)

// echo is a backend from Daemun's own image, behind an Ingress.
const echo = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: echo, namespace: %[1]s}
spec:
  replicas: 2
  selector: {matchLabels: {app: echo}}
  template:
    metadata: {labels: {app: echo}}
    spec:
      terminationGracePeriodSeconds: 5
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: echo
        image: %[2]s
        command: [/daemun, echo]
        env: [{name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
        ports: [{name: http, containerPort: 3000}]
        readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}
---
apiVersion: v1
kind: Service
metadata: {name: echo, namespace: %[1]s}
spec: {selector: {app: echo}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: echo, namespace: %[1]s}
spec:
  ingressClassName: nginx
  rules:
  - host: echo.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: echo, port: {name: http}}}}]}
`

// TestManifestsOnARealNode runs deploy/daemun.yaml on a node with containerd,
// kubelet and kube-proxy, with the image built from this tree, and rolls it out
// again under load: no request fails.
func TestManifestsOnARealNode(t *testing.T) {
	if err := lab.CanRunNodes(); err != nil {
		t.Skipf("NOT TESTED: the image and deploy/ on a real node: %v", err)
	}
	c, err := lab.StartForNodes(t.TempDir(), programs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	node := c.RealNode(t, 1)
	u := c.For(t)

	u.Apply(strings.ReplaceAll(manifest(t, "daemun.yaml"), "docker.io/daemun/daemun:latest", lab.ImageName))
	ns := u.Namespace(map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	u.Apply(fmt.Sprintf(echo, ns, lab.ImageName))
	rollout := func(namespace, deployment string) {
		t.Helper()
		if _, err := u.TryKubectl("", "-n", namespace, "rollout", "status", "deployment/"+deployment, "--timeout=120s"); err != nil {
			t.Fatalf("%v\nPods: %s\nlogs: %s\nkubelet: %s", err, u.Kubectl("", "get", "pods", "-A", "-o", "wide"),
				u.Kubectl("", "-n", namespace, "logs", "deployment/"+deployment, "--tail=20"), node.Log("kubelet"))
		}
	}
	rollout(ns, "echo")
	rollout("daemun", "daemun-controller")

	address := u.Get("v1", "Service", "daemun", "daemun-controller").String("spec", "clusterIP")
	u.Await("an answer through the Service of Daemun", func() error {
		status, body, err := lab.Get(t.Context(), "http://echo.test/", address+":80")
		if err != nil || status != 200 {
			return fmt.Errorf("%d %s %w", status, body, err)
		}
		return nil
	})
	load := lab.StartLoad(t, 8, "http://echo.test/", address+":80")
	before := podNames(t, u)
	u.Kubectl("", "-n", "daemun", "rollout", "restart", "deployment/daemun-controller")
	rollout("daemun", "daemun-controller")
	u.Await("the end of the old Pods", func() error {
		for name := range podNames(t, u) {
			if before[name] {
				return fmt.Errorf("%s is still there", name)
			}
		}
		return nil
	})
	requests, failures := load.Stop()
	t.Logf("%d requests", requests)
	if len(failures) > 0 || requests < 100 {
		t.Errorf("%d requests, failures: %q", requests, failures)
	}
}

func podNames(t *testing.T, u *lab.User) map[string]bool {
	t.Helper()
	pods, err := u.Cluster.Client().List(t.Context(), "v1", "Pod", "daemun", "")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, p := range pods {
		names[p.String("metadata", "name")] = true
	}
	return names
}
