package cluster

import (
	"fmt"
	"strings"
	"testing"

	"daemun/test/cluster/lab"
)

// echo is a backend from Daemun's own image, with an Ingress.
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

// realNode starts a cluster with one node that runs containers, or skips the
// test and says what would be needed.
func realNode(t *testing.T) (*lab.User, *lab.RealNode) {
	t.Helper()
	if err := lab.CanRunNodes(); err != nil {
		t.Skipf("NOT TESTED on a real node: %v", err)
	}
	c, err := lab.StartForNodes(t.TempDir(), programs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	node := c.RealNode(t, 1)
	return c.For(t), node
}

// rollout waits until a Deployment runs as it should.
func rollout(t *testing.T, u *lab.User, node *lab.RealNode, namespace, deployment string) {
	t.Helper()
	if _, err := u.TryKubectl("", "-n", namespace, "rollout", "status", "deployment/"+deployment, "--timeout=120s"); err != nil {
		t.Fatalf("%v\nPods: %s\nlogs: %s\nkubelet: %s", err, u.Kubectl("", "get", "pods", "-A", "-o", "wide"),
			u.Kubectl("", "-n", namespace, "logs", "deployment/"+deployment, "--tail=20"), node.Log("kubelet"))
	}
}

// TestImageOnARealNode: containerd loads the image, and its program runs where
// Pod security is restricted, without root, reached through a Service.
func TestImageOnARealNode(t *testing.T) {
	u, node := realNode(t)
	ns := u.Namespace(map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	u.Apply(fmt.Sprintf(echo, ns, lab.ImageName))
	rollout(t, u, node, ns, "echo")
	address := u.Get("v1", "Service", ns, "echo").String("spec", "clusterIP")
	u.Await("an answer through the Service", func() error {
		status, body, err := lab.Get(t.Context(), "http://echo.test/", address+":80")
		if err != nil || status != 200 {
			return fmt.Errorf("%d %s %w", status, body, err)
		}
		return nil
	})
	for _, name := range []string{"/daemun", "/nginx-ingress-controller"} {
		if out := u.Kubectl("", "-n", ns, "exec", "deployment/echo", "--", name, "--help"); !strings.Contains(out, "daemun") {
			t.Errorf("%s in the image prints %q", name, out)
		}
	}
}
