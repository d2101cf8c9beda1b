package cluster

import (
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"daemun/test/cluster/lab"
)

// route is an Ingress for a host: %s are namespace, name, class, host, path.
const route = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: %[2]s, namespace: %[1]s}
spec:
  ingressClassName: %[3]s
  rules:
  - host: %[4]s
    http: {paths: [{path: %[5]s, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}]}
`

// town is a namespace with two Pods behind the Service web, the IngressClasses
// with and without a controller, and a controller for the first.
func town(t *testing.T, number int) (*lab.User, string, *lab.Controller) {
	t.Helper()
	u := cluster(t)
	ns := u.Namespace(nil)
	node := u.Cluster.Node(t, number, nil)
	u.Apply(fmt.Sprintf(web, ns, node.Name))
	u.Apply(fmt.Sprintf(`
{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: %[1]s}, spec: {controller: %[1]s.test/ingress}}
---
{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: %[1]s-other}, spec: {controller: other.test/ingress}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: %[1]s}, data: {}}
`, ns))
	t.Cleanup(func() {
		u.TryKubectl("", "delete", "ingressclass", ns, ns+"-other")
	})
	c := u.Controller(townArguments(ns)...)
	return u, ns, c
}

func townArguments(ns string) []string {
	return []string{"--controller-class=" + ns + ".test/ingress", "--watch-namespace=" + ns, "--configmap=" + ns + "/settings", "--publish-status-address=192.0.2.7"}
}

// TestVerbs does the things that users do to Ingresses and what they name, and
// sees each in the traffic. One host is under load all the while and never
// fails.
func TestVerbs(t *testing.T) {
	u, ns, c := town(t, 10)
	u.Apply(fmt.Sprintf(route, ns, "steady", ns, "steady.test", "/"))
	u.Kubectl("", "-n", ns, "annotate", "ingress", "steady", "nginx.ingress.kubernetes.io/force-ssl-redirect=false") // whatever the ConfigMap says
	c.Until("http://steady.test/", 200, "web-")
	load := lab.StartLoad(t, 4, "http://steady.test/", c.HTTP)

	// create
	u.Apply(fmt.Sprintf(route, ns, "shop", ns, "shop.test", "/old"))
	c.Until("http://shop.test/old", 200, "web-")
	c.Until("http://shop.test/new", 404, "")
	// edit
	u.Apply(fmt.Sprintf(route, ns, "shop", ns, "shop.test", "/new"))
	c.Until("http://shop.test/new", 200, "web-")
	c.Until("http://shop.test/old", 404, "")
	scale(t, u, ns, c)
	certificates(t, u, ns, c)
	// change the class, and back
	u.Apply(fmt.Sprintf(route, ns, "shop", ns+"-other", "shop.test", "/new"))
	c.Until("http://shop.test/new", 404, "")
	u.Apply(fmt.Sprintf(route, ns, "shop", ns, "shop.test", "/new"))
	c.Until("http://shop.test/new", 200, "web-")
	// change the ConfigMap
	u.Kubectl("", "-n", ns, "patch", "configmap", "settings", "--type=merge", "-p", `{"data": {"force-ssl-redirect": "true", "http-redirect-code": "301"}}`)
	c.Until("http://shop.test/new", 301, "")
	u.Kubectl("", "-n", ns, "patch", "configmap", "settings", "--type=merge", "-p", `{"data": null}`)
	c.Until("http://shop.test/new", 200, "web-")
	// delete
	u.Kubectl("", "-n", ns, "delete", "ingress", "shop")
	c.Until("http://shop.test/new", 404, "")

	if requests, failures := load.Stop(); len(failures) > 0 || requests < 100 {
		t.Errorf("the host that nobody touched: %d requests, failures: %q", requests, failures)
	}
}

// scale changes the number of Pods, and waits until all of them answer, and
// only they.
func scale(t *testing.T, u *lab.User, ns string, c *lab.Controller) {
	t.Helper()
	for _, replicas := range []int{4, 1} {
		u.Kubectl("", "-n", ns, "scale", "deployment/web", fmt.Sprintf("--replicas=%d", replicas))
		u.Await(fmt.Sprintf("answers of %d Pods", replicas), func() error {
			seen := map[string]bool{}
			for range 4 * replicas {
				status, body, err := c.Get("http://shop.test/new")
				if err != nil || status != 200 {
					return lab.Final(fmt.Errorf("%d %s %w", status, body, err))
				}
				seen[body] = true
			}
			if len(seen) != replicas {
				return fmt.Errorf("%d Pods answer", len(seen))
			}
			return nil
		})
	}
}

// certificates gives the host a Secret, and another one.
func certificates(t *testing.T, u *lab.User, ns string, c *lab.Controller) {
	t.Helper()
	u.Kubectl("", "-n", ns, "patch", "ingress", "shop", "--type=merge", "-p", `{"spec": {"tls": [{"hosts": ["shop.test"], "secretName": "shop-tls"}]}}`)
	for _, name := range []string{"first", "second"} {
		cert, key := lab.Certificate(t, name, "shop.test")
		u.Apply(fmt.Sprintf("{apiVersion: v1, kind: Secret, type: kubernetes.io/tls, metadata: {name: shop-tls, namespace: %s}, data: {tls.crt: %s, tls.key: %s}}", ns, cert, key))
		u.Await("the "+name+" certificate", func() error {
			conn, err := tls.Dial("tcp", c.HTTPS, &tls.Config{ServerName: "shop.test", InsecureSkipVerify: true})
			if err != nil {
				return err
			}
			defer conn.Close()
			if got := conn.ConnectionState().PeerCertificates[0].Subject.CommonName; got != name {
				return fmt.Errorf("certificate %q", got)
			}
			return nil
		})
	}
	u.Kubectl("", "-n", ns, "patch", "ingress", "shop", "--type=merge", "-p", `{"spec": {"tls": null}}`)
	c.Until("http://shop.test/new", 200, "web-")
}

// TestStatusAndEventsAsKubectlShowsThem: the address in `get ingress`, what is
// wrong in `describe ingress`.
func TestStatusAndEventsAsKubectlShowsThem(t *testing.T) {
	u, ns, _ := town(t, 11)
	u.Apply(fmt.Sprintf(route, ns, "shop", ns, "shop.test", "/"))
	u.Await("the address", func() error {
		if out := u.Kubectl("", "-n", ns, "get", "ingress", "shop"); !strings.Contains(out, "192.0.2.7") {
			return fmt.Errorf("kubectl get ingress prints:\n%s", out)
		}
		return nil
	})
	u.Kubectl("", "-n", ns, "annotate", "ingress", "shop", "nginx.ingress.kubernetes.io/ssl-redirect=perhaps")
	u.Await("the Event", func() error {
		if out := u.Kubectl("", "-n", ns, "describe", "ingress", "shop"); !strings.Contains(out, "Warning") || !strings.Contains(out, "perhaps") {
			return fmt.Errorf("kubectl describe ingress prints:\n%s", out)
		}
		return nil
	})
}

// TestAnotherReplicaTakesOver: when the leader is lost, another one writes.
func TestAnotherReplicaTakesOver(t *testing.T) {
	u, ns, _ := town(t, 12) // its Lease is another
	election := []string{"--election-id=" + ns, "--election-ttl=2s"}
	u.Env = []string{"POD_NAMESPACE=" + ns, "POD_NAME=one"}
	one := u.Controller(append(townArguments(ns), election...)...)
	holder := func(want string) {
		t.Helper()
		u.Await("the leader "+want, func() error {
			lease, err := u.Cluster.Client().Get(t.Context(), "coordination.k8s.io/v1", "Lease", ns, ns)
			if err != nil {
				return err
			}
			if got := lease.String("spec", "holderIdentity"); got != want {
				return fmt.Errorf("the leader is %q", got)
			}
			return nil
		})
	}
	holder("one")
	u.Env = []string{"POD_NAMESPACE=" + ns, "POD_NAME=two"}
	u.Controller(append(townArguments(ns), election...)...)
	one.Kill()
	holder("two")
}

// TestOutageOfTheAPIServer: what is served stays served, endpoints included,
// and what has changed meanwhile arrives when the API server is back.
func TestOutageOfTheAPIServer(t *testing.T) {
	u, ns, c := town(t, 13)
	u.Apply(fmt.Sprintf(route, ns, "steady", ns, "steady.test", "/"))
	c.Until("http://steady.test/", 200, "web-")
	load := lab.StartLoad(t, 4, "http://steady.test/", c.HTTP)
	for i := range 2 {
		u.Cluster.KillAPIServer()
		during := load.Requests() + 200
		u.Await("traffic without an API server", func() error {
			if n := load.Requests(); n < during {
				return fmt.Errorf("%d requests", n)
			}
			return nil
		})
		if err := u.Cluster.StartAPIServer(); err != nil {
			t.Fatal(err)
		}
		host := fmt.Sprintf("after-%d.test", i)
		u.Apply(fmt.Sprintf(route, ns, fmt.Sprintf("after-%d", i), ns, host, "/"))
		c.Until("http://"+host+"/", 200, "web-")
	}
	if requests, failures := load.Stop(); len(failures) > 0 {
		t.Errorf("%d requests, failures: %q", requests, failures)
	}
}

// TestGraceAtShutdown: with a grace period, whoever still
// comes is served; the program then ends in order.
func TestGraceAtShutdown(t *testing.T) {
	u, ns, c := town(t, 14)
	u.Apply(fmt.Sprintf(route, ns, "steady", ns, "steady.test", "/"))
	other := u.Controller(append(townArguments(ns), "--shutdown-grace-period=2")...)
	other.Until("http://steady.test/", 200, "web-")
	c.Until("http://steady.test/", 200, "web-")
	other.Terminate()
	u.Await("the end of readiness", func() error {
		status, body, err := lab.Get(t.Context(), "http://daemun.test/readyz", other.Admin)
		if err != nil || status == 200 {
			return fmt.Errorf("%d %s %w", status, body, err)
		}
		return nil
	})
	for range 10 {
		if status, body, err := other.Get("http://steady.test/"); err != nil || status != 200 {
			t.Fatalf("in its grace period it answers %d %q: %v", status, body, err)
		}
	}
	<-other.Exited()
}

// TestLintReadsWhatKubectlPrints: the first step of docs/from-ingress-nginx.md.
// Whatever a cluster holds, what lint finds is about Ingresses.
func TestLintReadsWhatKubectlPrints(t *testing.T) {
	u, ns, _ := town(t, 15)
	u.Apply(fmt.Sprintf(route, ns, "shop", ns, "shop.test", "/"))
	u.Kubectl("", "-n", ns, "annotate", "ingress", "shop", "nginx.ingress.kubernetes.io/ssl-redirect=perhaps")
	file := filepath.Join(t.TempDir(), "cluster.yaml")
	printed := u.Kubectl("", "get", "ingresses,services,endpointslices,ingressclasses,configmaps", "-A", "-o", "yaml")
	if err := os.WriteFile(file, []byte(printed), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), programs.Daemun, "lint", "--controller-class="+ns+".test/ingress", file).CombinedOutput()
	t.Logf("%v\n%s", err, out)
	if !strings.Contains(string(out), "Ingress "+ns+"/shop: metadata.annotations[nginx.ingress.kubernetes.io/ssl-redirect]") {
		t.Error("it does not find the wrong annotation")
	}
}
