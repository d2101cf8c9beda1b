package cluster

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// hook is a webhook for one namespace, as deploy/daemun.yaml has it for all: %s
// are the namespace, the address of the replica and its port.
const hook = `
apiVersion: v1
kind: Service
metadata: {name: admission, namespace: %[1]s}
spec:
  ports: [{name: webhook, port: 443}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: admission, namespace: %[1]s, labels: {kubernetes.io/service-name: admission}}
addressType: IPv4
ports: [{name: webhook, port: %[3]d}]
endpoints: [{addresses: [%[2]s]}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: %[1]s}
webhooks:
- name: validate.nginx.ingress.kubernetes.io
  rules:
  - {apiGroups: [networking.k8s.io], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [ingresses]}
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %[1]s}}
  failurePolicy: Fail
  sideEffects: None
  admissionReviewVersions: [v1]
  clientConfig:
    service: {name: admission, namespace: %[1]s, path: /networking/v1/ingresses}
`

// TestWebhookNeedsNoCertificateOfOthers: Daemun makes one, the API server trusts
// it, also when the configuration is applied again, and refuses what is wrong.
func TestWebhookNeedsNoCertificateOfOthers(t *testing.T) {
	u := cluster(t)
	ns := u.Namespace(nil)
	u.Env = []string{"POD_NAMESPACE=" + ns, "POD_NAME=one"}
	u.Apply(fmt.Sprintf("{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: %[1]s}, spec: {controller: %[1]s.test/ingress}}", ns))
	removeAfter(t, u, "networking.k8s.io/v1", "IngressClass", ns)
	c := u.Controller(append(townArguments(ns), "--validating-webhook=:9443", "--validating-webhook-configuration="+ns)...)
	u.Apply(fmt.Sprintf(hook, ns, c.Address, 9443))
	removeAfter(t, u, "admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", ns)
	create := func(name, host string) (string, error) {
		return u.TryKubectl(fmt.Sprintf(route, ns, name, ns, host, "/"), "create", "-f", "-")
	}
	u.Await("an Ingress", func() error {
		_, err := create("first", "first.test")
		return err
	})
	u.Await("the refusal of a path that another Ingress has", func() error {
		_, err := create("second", "first.test")
		if err == nil { // the API server has not heard of the configuration yet
			u.Kubectl("", "-n", ns, "delete", "ingress", "second")
			return errors.New("it was stored")
		}
		if !strings.Contains(err.Error(), `already has host "first.test"`) {
			return err
		}
		return nil
	})
	if secret := u.Get("v1", "Secret", ns, "daemun-admission-tls"); secret.String("type") != "kubernetes.io/tls" {
		t.Errorf("Secret of type %q", secret.String("type"))
	}
}
