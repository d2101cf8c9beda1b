package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// TestDaemunOnARealNode runs the manifests, their webhook and the chart
// on a node with containerd, kubelet and kube-proxy, with the image built from
// this tree, where Pod security is restricted.
func TestDaemunOnARealNode(t *testing.T) {
	u, node := realNode(t)
	ns := u.Namespace(map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	u.Apply(fmt.Sprintf(echo, ns, lab.ImageName))
	u.Apply(strings.ReplaceAll(manifest(t, "daemun.yaml"), "docker.io/daemun/daemun:latest", lab.ImageName))
	rollout(t, u, node, ns, "echo")
	rollout(t, u, node, "daemun", "daemun-controller")
	address := u.Get("v1", "Service", "daemun", "daemun-controller").String("spec", "clusterIP") + ":80"
	answered(t, u, address)
	for _, name := range []string{"/daemun", "/nginx-ingress-controller", "daemun"} {
		if out := u.Kubectl("", "-n", ns, "exec", "deployment/echo", "--", name, "--help"); !strings.Contains(out, "daemun") {
			t.Errorf("%s in the image prints %q", name, out)
		}
	}

	t.Run("webhook", func(t *testing.T) { refused(t, u.Cluster.For(t), ns) })
	t.Run("rolling update", func(t *testing.T) { testRollingUpdate(t, u.Cluster.For(t), node, address) })
	u.Kubectl("", "delete", "--wait=false", "-f", filepath.Join(programs.Root, "deploy", "daemun.yaml"))
	t.Run("exchanged image", func(t *testing.T) { testExchangedImage(t, u.Cluster.For(t), node, ns) })
	t.Run("chart", func(t *testing.T) { testChartOnNode(t, u.Cluster.For(t), node, ns) })
}

// answered waits until Daemun answers for the Ingress echo.
func answered(t *testing.T, u *lab.User, address string) {
	t.Helper()
	u.Await("an answer through the Service of Daemun", func() error {
		status, body, err := lab.Get(t.Context(), "http://echo.test/", address)
		if err != nil || status != 200 {
			return fmt.Errorf("%d %s %w", status, body, err)
		}
		return nil
	})
}

// refused checks that the API server refuses an Ingress with a wrong
// annotation, with Daemun's sentence, and takes a right one.
func refused(t *testing.T, u *lab.User, ns string) {
	t.Helper()
	right := fmt.Sprintf(route, ns, "judged", "nginx", "judged.test", "/")
	wrong := strings.NewReplacer("metadata: {", `metadata: {annotations: {nginx.ingress.kubernetes.io/use-regex: "true"}, `,
		"path: /, pathType: Prefix", `path: "/((", pathType: ImplementationSpecific`).Replace(right)
	const sentence = `"/((" is not a regular expression`
	u.Await("a refusal by the webhook", func() error {
		_, err := u.TryKubectl(wrong, "apply", "-f", "-")
		if err == nil {
			return errors.New("it was taken")
		}
		if !strings.Contains(err.Error(), "denied the request") || !strings.Contains(err.Error(), sentence) {
			return fmt.Errorf("refused with other words: %w", err)
		}
		return nil
	})
	u.Kubectl(right, "apply", "-f", "-")
	u.Kubectl("", "-n", ns, "delete", "ingress", "judged")
}

// testRollingUpdate rolls both replicas under load: no request fails, up to the
// end of the last old Pod.
func testRollingUpdate(t *testing.T, u *lab.User, node *lab.RealNode, address string) {
	load := lab.StartLoad(t, 8, "http://echo.test/", address)
	before := podNames(t, u, "daemun")
	u.Kubectl("", "-n", "daemun", "rollout", "restart", "deployment/daemun-controller")
	rollout(t, u, node, "daemun", "daemun-controller")
	u.Await("the end of the old Pods", func() error {
		for name := range podNames(t, u, "daemun") {
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

func podNames(t *testing.T, u *lab.User, namespace string) map[string]bool {
	t.Helper()
	pods, err := u.Cluster.Client().List(t.Context(), "v1", "Pod", namespace, "")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, p := range pods {
		names[p.String("metadata", "name")] = true
	}
	return names
}

// testExchangedImage runs the Deployment of ingress-nginx as people have it, in
// which nothing but the image has changed.
func testExchangedImage(t *testing.T, u *lab.User, node *lab.RealNode, ns string) {
	text, err := os.ReadFile("testdata/static/ingress-nginx.yaml")
	if err != nil {
		t.Fatal(err)
	}
	own := u.Namespace(map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	cert, key := lab.Certificate(t, "admission", "ingress-nginx-controller-admission."+own+".svc")
	u.Apply(fmt.Sprintf("{apiVersion: v1, kind: Secret, metadata: {name: ingress-nginx-admission, namespace: %s}, data: {cert: %s, key: %s}}", own, cert, key))
	manifests := strings.NewReplacer("namespace: NAMESPACE", "namespace: "+own, "registry.k8s.io/ingress-nginx/controller:v1.15.1", lab.ImageName).Replace(string(text))
	u.Kubectl(manifests, "apply", "-f", "-")
	rollout(t, u, node, own, "ingress-nginx-controller")
	answered(t, u, u.Get("v1", "Service", own, "ingress-nginx-controller").String("spec", "clusterIP")+":80")

	u.Kubectl("", "-n", own, "patch", "service", "ingress-nginx-controller", "--subresource=status", "--type=merge",
		"-p", `{"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.99"}]}}}`)
	u.Await("the address, with the rights of ingress-nginx", func() error {
		if out := u.Kubectl("", "-n", ns, "get", "ingress", "echo"); !strings.Contains(out, "192.0.2.99") {
			return fmt.Errorf("kubectl get ingress prints:\n%s%s", out, u.Kubectl("", "-n", own, "logs", "deployment/ingress-nginx-controller", "--tail=20"))
		}
		return nil
	})
	u.Kubectl(manifests, "delete", "--wait=false", "-f", "-")
}

// testChartOnNode installs the chart as it comes, with the webhook and its
// certificate.
func testChartOnNode(t *testing.T, u *lab.User, node *lab.RealNode, ns string) {
	own := u.Namespace(map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	_, tag, _ := strings.Cut(lab.ImageName, ":")
	if _, err := helm(t, "install", "ingress-nginx", chart(), "--kubeconfig", u.Kubeconfig, "--namespace", own,
		"--set", "nameOverride=ingress-nginx", "--set", "image.tag="+tag, "--set", "controller.metrics.enabled=true"); err != nil {
		t.Fatal(err)
	}
	rollout(t, u, node, own, "ingress-nginx-controller")
	answered(t, u, u.Get("v1", "Service", own, "ingress-nginx-controller").String("spec", "clusterIP")+":80")
	refused(t, u, ns)
	metrics := u.Get("v1", "Service", own, "ingress-nginx-controller-metrics").String("spec", "clusterIP")
	if status, body, err := lab.Get(t.Context(), "http://metrics.test/metrics", metrics+":10254"); err != nil || !strings.Contains(body, "nginx_ingress_controller_requests") {
		t.Errorf("metrics: %d %.200s %v", status, body, err)
	}
	if _, err := helm(t, "uninstall", "ingress-nginx", "--kubeconfig", u.Kubeconfig, "--namespace", own); err != nil {
		t.Error(err)
	}
}
