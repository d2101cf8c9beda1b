package cluster

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"daemun/test/cluster/lab"
)

// classless is an Ingress without a class: %s are namespace, name, host.
const classless = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: %[2]s, namespace: %[1]s}
spec:
  rules:
  - host: %[3]s
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}]}
`

// village is a namespace with the Service web and IngressClasses, by the ends
// of their names; each has a controller of its own name.
func village(t *testing.T, number int, classes ...string) (*lab.User, string) {
	t.Helper()
	u := cluster(t)
	ns := u.Namespace(nil)
	node := u.Cluster.Node(t, number, nil)
	u.Apply(fmt.Sprintf(web, ns, node.Name))
	for _, end := range classes {
		u.Apply(fmt.Sprintf("{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: %[1]s}, spec: {controller: %[1]s.test/ingress}}", ns+end))
		removeAfter(t, u, "networking.k8s.io/v1", "IngressClass", ns+end)
	}
	return u, ns
}

// removeAfter removes an object of the cluster with the test, whose own context
// has ended by then.
func removeAfter(t *testing.T, u *lab.User, apiVersion, kind, name string) {
	t.Cleanup(func() {
		if err := u.Cluster.Client().Delete(context.Background(), apiVersion, kind, "", name, -1); err != nil {
			t.Errorf("delete %s %s: %v", kind, name, err)
		}
	})
}

// status waits for the address that an Ingress shows.
func status(u *lab.User, ns, name, want string) {
	u.Await("the address of "+name, func() error {
		if out := u.Kubectl("", "-n", ns, "get", "ingress", name, "-o", "jsonpath={.status.loadBalancer.ingress[*].ip}"); out != want {
			return fmt.Errorf("it shows %q", out)
		}
		return nil
	})
}

// TestSideBySide: several Daemuns with classes of their own serve their own
// Ingresses, each with its address; one that changes its class changes hands.
func TestSideBySide(t *testing.T) {
	u, ns := village(t, 17, "-one", "-two")
	start := func(class, address string) *lab.Controller {
		return u.Controller("--controller-class="+ns+class+".test/ingress", "--watch-namespace="+ns, "--publish-status-address="+address, "--election-id="+ns+class)
	}
	one, two := start("-one", "192.0.2.1"), start("-two", "192.0.2.2")
	u.Apply(fmt.Sprintf(route, ns, "a", ns+"-one", "a.test", "/"))
	u.Apply(fmt.Sprintf(route, ns, "b", ns+"-two", "b.test", "/"))
	one.Until("http://a.test/", 200, "web-")
	two.Until("http://b.test/", 200, "web-")
	one.Until("http://b.test/", 404, "")
	two.Until("http://a.test/", 404, "")
	status(u, ns, "a", "192.0.2.1")
	status(u, ns, "b", "192.0.2.2")
	u.Kubectl("", "-n", ns, "patch", "ingress", "a", "--type=merge", "-p", `{"spec": {"ingressClassName": "`+ns+`-two"}}`)
	two.Until("http://a.test/", 200, "web-")
	one.Until("http://a.test/", 404, "")
	status(u, ns, "a", "192.0.2.2")
}

// TestClassByName: with --ingress-class-by-name the class is served whoever its
// controller is, without it only the annotation with that name.
func TestClassByName(t *testing.T) {
	u, ns := village(t, 18, "-named")
	u.Apply(fmt.Sprintf(route, ns, "field", ns+"-named", "field.test", "/"))
	u.Kubectl(strings.Replace(fmt.Sprintf(classless, ns, "annotation", "annotation.test"), "namespace: "+ns,
		"namespace: "+ns+", annotations: {kubernetes.io/ingress.class: "+ns+"-named}", 1), "create", "-f", "-") // which warns
	args := []string{"--controller-class=nobody.test/ingress", "--ingress-class=" + ns + "-named", "--watch-namespace=" + ns, "--update-status=false"}
	by := u.Controller(append(args, "--ingress-class-by-name")...)
	by.Until("http://field.test/", 200, "web-")
	by.Until("http://annotation.test/", 200, "web-")
	not := u.Controller(args...)
	not.Until("http://annotation.test/", 200, "web-")
	not.Until("http://field.test/", 404, "")
}

// TestDefaultClass: the API server gives an Ingress without a class the default
// one; that it once had none makes no difference.
func TestDefaultClass(t *testing.T) {
	u, ns := village(t, 19, "-default")
	u.Kubectl("", "annotate", "ingressclass", ns+"-default", "ingressclass.kubernetes.io/is-default-class=true")
	c := u.Controller("--controller-class="+ns+"-default.test/ingress", "--watch-namespace="+ns, "--update-status=false")
	createClassless(u, ns, "default.test", ns+"-default")
	c.Until("http://default.test/", 200, "web-")
}

// createClassless creates an Ingress without a class until the API server gives
// it the one that is wanted: it may not have heard yet that a class is the
// default one, or no more.
func createClassless(u *lab.User, ns, host, class string) {
	u.Await("an Ingress of class "+class, func() error {
		u.TryKubectl("", "-n", ns, "delete", "ingress", "web", "--ignore-not-found")
		u.Kubectl(fmt.Sprintf(classless, ns, "web", host), "create", "-f", "-")
		if out := u.Kubectl("", "-n", ns, "get", "ingress", "web", "-o", "jsonpath={.spec.ingressClassName}"); out != class {
			return fmt.Errorf("its class is %q", out)
		}
		return nil
	})
}

// TestWithoutClass: such Ingresses are served by who was told to, and by nobody
// else.
func TestWithoutClass(t *testing.T) {
	u, ns := village(t, 20, "-other")
	createClassless(u, ns, "classless.test", "")
	u.Apply(fmt.Sprintf(route, ns, "theirs", ns+"-other", "theirs.test", "/"))
	args := []string{"--watch-namespace=" + ns, "--update-status=false", "--controller-class=" + ns + ".test/ingress"}
	with := u.Controller(append(args, "--watch-ingress-without-class")...)
	with.Until("http://classless.test/", 200, "web-")
	with.Until("http://theirs.test/", 404, "")
	without := u.Controller(args...)
	without.Until("http://classless.test/", 404, "")
}
