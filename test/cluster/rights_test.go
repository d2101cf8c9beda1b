package cluster

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"daemun/test/cluster/lab"
)

// shop is an Ingress for the Service web.
const shop = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: %[1]s}
spec:
  ingressClassName: nginx
  tls: [{hosts: [%[1]s.test], secretName: certificate}]
  rules:
  - host: %[1]s.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}]}
`

// TestControllerNeedsItsRights runs Daemun with the token of its ServiceAccount
// and watches what it asks the API server for: nothing is refused, and nothing
// is granted that it does not use.
func TestControllerNeedsItsRights(t *testing.T) {
	u, _ := deployed(t)
	ns := u.Namespace(nil)
	node := u.Cluster.Node(t, 2, nil)
	u.Apply(fmt.Sprintf(web, ns, node.Name))
	u.Apply(fmt.Sprintf(shop, ns))
	if err := u.Cluster.Client().Patch(t.Context(), "v1", "Service", "daemun", "daemun-controller/status",
		[]byte(`{"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.10"}]}}}`)); err != nil {
		t.Fatal(err)
	}

	before := requests(t, u) // of others with the same account
	as := u.As("daemun", "daemun")
	as.Env = []string{"POD_NAME=" + onePod(t, u), "POD_NAMESPACE=daemun"}
	c := as.Controller(argumentsOfDeployment(t)...)
	c.Until("http://"+ns+".test/", 308, "") // it has a certificate, of whatever kind
	u.Await("the address in the status", func() error {
		out := u.Kubectl("", "-n", ns, "get", "ingress", "shop", "-o", "jsonpath={.status.loadBalancer.ingress[*].ip}")
		if out != "192.0.2.10" {
			return fmt.Errorf("status is %q", out)
		}
		return nil
	})
	u.Await("trust in the webhook", func() error {
		hooks := u.Get("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "", "daemun-admission").At("webhooks").([]any)
		if lab.Object(hooks[0].(map[string]any)).String("clientConfig", "caBundle") == "" {
			return errors.New("no caBundle")
		}
		return nil
	})
	c.Stop()

	used := map[string]bool{}
	for _, r := range requests(t, u)[len(before):] {
		used[r.Verb+" "+r.Resource] = true
		if r.Forbidden {
			t.Errorf("refused: %s %s %s/%s", r.Verb, r.Resource, r.Namespace, r.Name)
		}
	}
	for _, o := range grants(parse(t, manifest(t, "daemun.yaml"))) {
		if !used[o] && !rarely(o) {
			t.Errorf("granted, but not used: %s", o)
		}
	}
}

func requests(t *testing.T, u *lab.User) []lab.Request {
	t.Helper()
	list, err := u.Cluster.Requests()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// onePod is the name of a Pod that the Deployment has made; nobody runs it.
func onePod(t *testing.T, u *lab.User) string {
	t.Helper()
	var name string
	u.Await("a Pod of the Deployment", func() error {
		pods, err := u.Cluster.Client().List(t.Context(), "v1", "Pod", "daemun", "")
		if err != nil {
			return err
		}
		if len(pods) == 0 {
			return errors.New("no Pods")
		}
		name = pods[0].String("metadata", "name")
		return nil
	})
	return name
}

// rarely are rights for paths that the test does not take: an Event that is
// repeated, a certificate that is renewed, and lists for API servers that do not stream them.
func rarely(right string) bool {
	return right == "patch events" || right == "update secrets" || strings.HasPrefix(right, "list ")
}

// argumentsOfDeployment are those of deploy/daemun.yaml, without the name of the
// program, as its Pods have them.
func argumentsOfDeployment(t *testing.T) []string {
	t.Helper()
	for _, o := range parse(t, manifest(t, "daemun.yaml")) {
		if o.String("kind") != "Deployment" {
			continue
		}
		containers := o.At("spec", "template", "spec", "containers").([]any)
		var args []string
		for _, a := range containers[0].(map[string]any)["args"].([]any)[1:] {
			args = append(args, strings.ReplaceAll(a.(string), "$(POD_NAMESPACE)", "daemun"))
		}
		return append(args, "--shutdown-grace-period=0", "--validating-webhook=127.0.0.1:0")
	}
	t.Fatal("deploy/daemun.yaml has no Deployment")
	return nil
}
