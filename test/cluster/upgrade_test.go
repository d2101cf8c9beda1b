package cluster

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"daemun/test/cluster/lab"
)

// TestUpgradeOnOneHost: processes follow each other on one host, at the same
// addresses. No request fails, whether HTTP, TLS, a TCP port or a review of the
// API server.
func TestUpgradeOnOneHost(t *testing.T) {
	u := cluster(t)
	ns := u.Namespace(nil)
	u.Env = []string{"POD_NAMESPACE=" + ns, "POD_NAME=one"}
	node := u.Cluster.Node(t, 16, nil)
	u.Apply(fmt.Sprintf(web, ns, node.Name))
	u.Apply(fmt.Sprintf(`
{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: %[1]s}, spec: {controller: %[1]s.test/ingress}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: %[1]s}, data: {ssl-redirect: "false"}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: tcp, namespace: %[1]s}, data: {"9000": "%[1]s/web:http"}}
`, ns))
	removeAfter(t, u, "networking.k8s.io/v1", "IngressClass", ns)
	args := append(townArguments(ns), "--hand-over="+filepath.Join(t.TempDir(), "hand-over"), "--tcp-services-configmap="+ns+"/tcp",
		"--drain-timeout=60s", "--validating-webhook=:9444", "--validating-webhook-configuration="+ns)
	now := u.Controller(args...)
	u.Apply(fmt.Sprintf(route, ns, "steady", ns, "steady.test", "/"))
	now.Until("http://steady.test/", 200, "web-")
	u.Apply(fmt.Sprintf(hook, ns, now.Address, 9444))
	removeAfter(t, u, "admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", ns)
	address := now.Address.String()
	loads := []*lab.Load{
		lab.StartLoad(t, 2, "http://steady.test/", now.HTTP),
		lab.StartLoad(t, 2, "https://steady.test/", now.HTTPS),
		lab.StartLoad(t, 1, "http://steady.test/", address+":9000"), // a new connection each time: a kept one stays where it began
	}
	// An Ingress that is written over and over: the API server never does that
	// without asking.
	annotate := func(n int) error {
		_, err := u.TryKubectl("", "-n", ns, "annotate", "--overwrite", "ingress", "steady", fmt.Sprintf("test/review=%d", n))
		return err
	}
	u.Await("trust in the webhook", func() error {
		return annotate(0)
	})
	var reviews atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for n := 1; !isClosed(stop); n++ {
			if err := annotate(n); err != nil {
				t.Errorf("review %d: %v", n, err)
				return
			}
			reviews.Store(int64(n))
		}
	}()
	end := sync.OnceFunc(func() { close(stop); <-stopped })
	defer end() // its context ends with the test
	for range 3 {
		next := u.Controller(append(args, "--listen-address="+address, "--admin-address="+address+":10254")...)
		some := reviews.Load() + 3
		u.Await("reviews", func() error {
			if n := reviews.Load(); n < some && !t.Failed() {
				return fmt.Errorf("%d reviews", n)
			}
			return nil
		})
		<-now.Exited()
		now = next
	}
	end()
	for _, l := range loads {
		if requests, failures := l.Stop(); len(failures) > 0 || requests < 100 {
			t.Errorf("%d requests, failures: %q", requests, failures)
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
