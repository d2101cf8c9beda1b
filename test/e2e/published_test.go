package e2e

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"daemun/internal/daemuntest"
)

// publishing is a ConfigMap of TCP ports that lead to the Service web.
func publishing(ports ...string) string {
	text := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: tcp, namespace: default}\ndata:\n"
	for _, p := range ports {
		text += fmt.Sprintf("  %q: default/web:http\n", p)
	}
	return text
}

const publishedWeb = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: daemun/echo
        env:
        - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
        ports: [{name: http, containerPort: 3000}]
        readinessProbe: {httpGet: {path: /health, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http}]
`

// TestPublishedPorts: --tcp-services-configmap works without a cluster, and
// changes of the ConfigMap apply as those of Services do.
func TestPublishedPorts(t *testing.T) {
	t.Parallel()
	address := netip.AddrFrom4([4]byte{127, byte(140 + rand.IntN(50)), byte(rand.IntN(256)), byte(1 + rand.IntN(250))}).String()
	d := daemuntest.Up(t, daemuntest.Options{
		Bin: bin, Args: []string{"--listen-address", address, "--tcp-services-configmap", "default/tcp"},
	}, map[string]string{"web.yaml": publishedWeb, "tcp.yaml": publishing("9000")})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(port string) error {
		res, err := client.Get("http://" + net.JoinHostPort(address, port) + "/")
		if err != nil {
			return err
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("%s", res.Status)
		}
		return nil
	}
	d.Eventually(20*time.Second, "port 9000", func() error { return ask("9000") })
	for _, port := range []string{"9001", "9002", "9003"} { // more than once: every change arrives
		d.Write("tcp.yaml", publishing(port))
		d.Eventually(20*time.Second, "port "+port, func() error { return ask(port) })
	}
	if err := ask("9000"); err == nil {
		t.Error("a port that is no longer published is open")
	}
	_, own, err := net.SplitHostPort(d.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	d.Write("tcp.yaml", publishing(own))
	d.Eventually(20*time.Second, "problem", func() error {
		if out, _ := d.Run("get", "problems", "-A"); !strings.Contains(out, "DMN0241") {
			return fmt.Errorf("problems:\n%s", out)
		}
		return nil
	})
}
