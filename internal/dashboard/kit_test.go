package dashboard

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/control"
	"daemun/internal/explain"
	"daemun/internal/history"
	"daemun/internal/ir"
	"daemun/internal/listen"
	"daemun/internal/manifest"
	"daemun/internal/metrics"
	"daemun/internal/standalone"
	"daemun/internal/store"
	"daemun/internal/table"
	"daemun/internal/tap"
	"daemun/internal/translate"
	"daemun/internal/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secretText is in every Secret and must be on no page.
const secretText = "hunter2"

// manifests are a small world with something of everything. Pods are taken for
// ready, apart from those that a Service has none of.
const manifests = `
apiVersion: v1
kind: Secret
metadata: {name: users, namespace: shop}
stringData: {auth: "admin:$apr1$hunter2$hunter2"}
---
apiVersion: v1
kind: Secret
metadata: {name: other, namespace: shop}
stringData: {token: hunter2}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec:
  selector: {matchLabels: {app: cart}}
  template:
    metadata: {labels: {app: cart}}
    spec:
      containers:
      - name: web
        image: daemun/echo
        env:
        - {name: TOKEN, valueFrom: {secretKeyRef: {name: other, key: token}}}
        readinessProbe: {httpGet: {path: /ready, port: 3000}, periodSeconds: 3}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {selector: {app: cart}, ports: [{port: 80, targetPort: 3000}]}
---
apiVersion: v1
kind: Service
metadata: {name: payments, namespace: shop}
spec: {selector: {app: payments}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop
  namespace: shop
  annotations:
    nginx.ingress.kubernetes.io/proxy-body-size: 2m
    nginx.ingress.kubernetes.io/rewrite-targt: /
spec:
  rules:
  - host: shop.example
    http:
      paths:
      - {path: /cart, pathType: Prefix, backend: {service: {name: cart, port: {number: 80}}}}
      - {path: /orders, pathType: Exact, backend: {service: {name: cart, port: {number: 80}}}}
      - {path: /pay, pathType: Prefix, backend: {service: {name: payments, port: {number: 80}}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: office
  namespace: shop
  annotations:
    nginx.ingress.kubernetes.io/auth-type: basic
    nginx.ingress.kubernetes.io/auth-secret: users
    nginx.ingress.kubernetes.io/whitelist-source-range: 10.0.0.0/8
spec:
  rules:
  - host: office.example
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: cart, port: {number: 80}}}}
`

// kitTime is when a kit begins.
var kitTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// kit is a Dashboard over objects that run nowhere.
type kit struct {
	*Dashboard
	store    *store.Store
	counts   *metrics.Registry
	now      time.Time
	problems atomic.Pointer[[]ir.Problem]
	log      string
}

func newKit(t testing.TB, text string) *kit {
	t.Helper()
	loader := manifest.New([]string{"-"}, strings.NewReader(text))
	first, err := loader.Load()
	if err != nil {
		t.Fatal(err)
	}
	objects, planned := standalone.Plan(first.Put, standalone.Config{})
	s := store.New()
	s.Update(func(tx *store.Tx) {
		for _, o := range objects {
			if pod, ok := o.(*corev1.Pod); ok {
				started := metav1.NewTime(kitTime.Add(-50 * time.Hour)) // Plan takes the wall clock's
				pod.Status.StartTime = &started
			}
			tx.Put(o)
		}
	})
	o := translate.DefaultOptions()
	o.WithoutClass = true
	res := translate.New(o).Translate(s.View())
	return newKitOf(t, s, res.Config, append(res.Problems, planned...))
}

// newKitOf is a kit of a configuration that need not come from objects.
func newKitOf(t testing.TB, s *store.Store, config *ir.Config, problems []ir.Problem) *kit {
	t.Helper()
	k := &kit{store: s, counts: metrics.New(metrics.Config{}), now: kitTime, log: "one\ntwo\n"}
	k.problems.Store(&problems)
	backends := upstream.NewRegistry(upstream.Config{})
	t.Cleanup(backends.Close)
	for _, b := range config.Backends {
		backends.Configure(b)
		backends.Update(translate.Endpoints(s.View(), b))
	}
	live := table.Compile(nil, 7, config, table.Handles{
		Backend: backends.Backend,
		Route: func(h *ir.Host, r *ir.Route) *metrics.Route {
			return k.counts.Route(metrics.RouteKey{Host: h.Name, Path: r.Path, Service: r.Service})
		},
	})
	clock := func() time.Time { return k.now }
	past := history.New(history.Config{Routes: k.counts, Now: clock})
	past.Record()
	source := func() explain.Source {
		return explain.Source{Table: live, View: s.View(), Problems: *k.problems.Load(), Prefix: "nginx.ingress.kubernetes.io"}
	}
	k.Dashboard = New(Config{
		Version: "v1.2.3", View: s.View, Now: clock, History: past, Tap: tap.New(), Source: source,
		State: func() control.State {
			return control.State{Revision: 7, Config: config, Built: k.now.Add(-90 * time.Second), Took: 1200 * time.Microsecond, Tables: 3}
		},
		Table:    func() *table.Table { return live },
		Problems: func() []ir.Problem { return *k.problems.Load() },
		Certificates: func() []listen.CertificateInfo {
			return []listen.CertificateInfo{
				{ID: "shop/fresh", Names: []string{"shop.example"}, Hosts: []string{"shop.example"}, NotAfter: k.now.Add(80 * 24 * time.Hour), Default: true},
				{ID: "shop/soon", Names: []string{"office.example"}, Hosts: []string{"office.example"}, NotAfter: k.now.Add(3 * 24 * time.Hour)},
				{ID: "shop/old", NotAfter: k.now.Add(-time.Hour), Stale: true},
			}
		},
		Ready:    func() error { return nil },
		Explain:  func(r explain.Request) (*explain.Answer, error) { return explain.Explain(r, source()) },
		Entrance: func() string { return "127.0.0.1:8080" },
		Log:      func(store.Name, string, int) ([]byte, error) { return []byte(k.log), nil },
	})
	return k
}

// count makes a route answer n requests, one second before now.
func (k *kit) count(host, path, service string, n, status int) {
	r := k.counts.Route(metrics.RouteKey{Host: host, Path: path, Service: service})
	for range n {
		r.Observe(&metrics.Observation{Status: status, Method: []byte("GET"), Duration: 30 * time.Millisecond})
	}
}

// tick lets a step of history pass.
func (k *kit) tick() {
	k.now = k.now.Add(history.Step)
	k.History.Record()
}

// get returns a page.
func (k *kit) get(t testing.TB, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	k.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

// request is a request as the proxy shows it.
func request(status int) *tap.Request {
	return &tap.Request{
		Time: time.Unix(1_800_000_000, 0), Took: 3 * time.Millisecond, Client: netip.MustParseAddr("192.0.2.1"), Method: []byte("GET"),
		Host: []byte("shop.example"), Path: []byte("/cart"), Query: []byte("token=" + secretText), Status: status,
	}
}
