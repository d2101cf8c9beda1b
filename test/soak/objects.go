package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
)

// routes wait for a minute to connect: on a busy machine everything comes late.
const routes = `
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  ports: [{name: http, port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: calls}
spec:
  ports: [{name: grpc, port: 80}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  annotations: {nginx.ingress.kubernetes.io/ssl-redirect: "false", nginx.ingress.kubernetes.io/proxy-body-size: 8m, nginx.ingress.kubernetes.io/proxy-connect-timeout: "60"}
spec:
  ingressClassName: nginx
  rules:
  - host: soak.test
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: calls
  annotations: {nginx.ingress.kubernetes.io/backend-protocol: GRPC, nginx.ingress.kubernetes.io/proxy-connect-timeout: "60"}
spec:
  ingressClassName: nginx
  rules:
  - host: calls.test
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: calls, port: {number: 80}}}}
`

// setEndpoints makes the backends that are wanted the endpoints of both
// Services.
func (l *lab) setEndpoints(wanted ...bool) error {
	var b strings.Builder
	for _, service := range []string{"web", "calls"} {
		for i, w := range wanted {
			if !w {
				continue
			}
			name := map[string]string{"web": "http", "calls": "grpc"}[service]
			fmt.Fprintf(&b, `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %s-%d, labels: {kubernetes.io/service-name: %s}}
addressType: IPv4
ports: [{name: %s, port: %d}]
endpoints: [{addresses: [127.0.0.1]}]
---`, service, i, service, name, l.backends[i].port)
		}
	}
	return l.write("endpoints", b.String())
}

// setExtra makes a route that answers with the number of the change.
func (l *lab) setExtra(n int) error {
	return l.write("extra", fmt.Sprintf(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: extra
  annotations: {nginx.ingress.kubernetes.io/permanent-redirect: "https://extra.test/%d"}
spec:
  ingressClassName: nginx
  rules:
  - host: extra-%d.test
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
`, n, n%7))
}

// churn changes a route or the endpoints. Only one of them runs at a time.
type churn struct {
	l  *lab
	mu sync.Mutex
	n  int
}

// route changes a route and waits until it is served.
func (c *churn) route(ctx context.Context, _ *rand.Rand) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	if err := c.l.setExtra(c.n); err != nil {
		return err
	}
	// The change is waited for also when the time is over.
	want := fmt.Sprintf("https://extra.test/%d", c.n)
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return until(context.WithoutCancel(ctx), "a changed route is served", func() bool {
		req, _ := http.NewRequest("GET", "http://"+c.l.plain+"/", nil)
		req.Host = fmt.Sprintf("extra-%d.test", c.n%7)
		resp, err := client.Do(req)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.Header.Get("Location") == want
	})
}

// endpoints takes one of the backends out and in again; requests that run must
// not notice.
func (c *churn) endpoints(ctx context.Context, random *rand.Rand) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := random.IntN(2) == 0
	if err := c.l.setEndpoints(one, !one); err != nil {
		return err
	}
	pause(ctx, random, 300)
	if err := c.l.setEndpoints(true, true); err != nil {
		return err
	}
	pause(ctx, random, 300)
	return nil
}
