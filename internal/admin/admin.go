// Package admin is the address an operator talks to: health, metrics and the
// JSON that `daemun get`, `logs` and a live `explain` read.
//
// It turns the present state of a Daemun into HTTP answers and changes nothing
// (H8.2). It owns no state and no goroutine; everything it shows comes through
// the functions of its Config.
package admin

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"time"

	"daemun/internal/control"
	"daemun/internal/explain"
	"daemun/internal/history"
	"daemun/internal/ir"
	"daemun/internal/listen"
	"daemun/internal/metrics"
	"daemun/internal/store"
	"daemun/internal/table"
	"daemun/internal/tap"
	"daemun/internal/upstream"
)

// Config is where the shown state comes from. All functions are safe for
// concurrent use.
type Config struct {
	Version string
	View    func() *store.View
	State   func() control.State
	// Table is what is being served; nil before the first.
	Table    func() *table.Table
	Problems func() []ir.Problem
	Backend  func(ir.BackendID) *upstream.Backend
	// Ready returns nil when requests are served as configured, else why not.
	Ready        func() error
	Metrics      http.Handler
	Certificates func() []listen.CertificateInfo
	// Address is what Ingresses and URLs show as the way in.
	Address string
	// LogPath is nil where there are no local Pods.
	LogPath func(pod store.Name, container string) string
	// Health is what /healthz says; nil is always well. HealthPath is another
	// path for it, or empty.
	Health func() error
	// Live is what /livez says; nil is always well.
	Live       func() error
	HealthPath string
	// Restricted answers nothing but health and metrics to clients on other
	// machines: the state of a cluster's edge is not for every Pod (H8.1).
	Restricted bool
	// Explain answers for one request.
	Explain func(explain.Request) (*explain.Answer, error)
	// ExplainConnection is nil where there is no Service network.
	ExplainConnection func(explain.ConnectionRequest) (*explain.Connection, error)
	// Tap shows requests as they pass; nil is nothing.
	Tap *tap.Tap
	// Rates says what a route does now; nil is unknown.
	Rates func(*metrics.Route) history.Rates
	// Dashboard answers every path that is not one of this package; nil is a
	// list of those.
	Dashboard http.Handler
	// Listening is the address as the operator wrote it: its name is one that
	// requests may come by.
	Listening string
	// Logger hears of what went wrong in here; nil is nobody.
	Logger *slog.Logger
}

// Handler returns the handler of the admin address.
func Handler(c Config) http.Handler {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s := server{c}
	mux := http.NewServeMux()
	if c.Dashboard != nil {
		mux.Handle("/", c.Dashboard)
	} else {
		mux.HandleFunc("GET /{$}", s.index)
	}
	open := map[string]http.HandlerFunc{
		"/healthz": s.healthz, "/livez": s.livez, "/readyz": s.readyz, "/metrics": c.Metrics.ServeHTTP,
	}
	if c.HealthPath != "" {
		open[c.HealthPath] = s.healthz
	}
	for path, handler := range open {
		mux.HandleFunc("GET "+path, handler)
	}
	mux.HandleFunc("GET /api/", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "there is no "+r.URL.Path+" at the admin address", http.StatusNotFound) // for programs, which read no page
	})
	mux.HandleFunc("GET /api/v1/version", s.version)
	mux.HandleFunc("GET /api/v1/explain", s.explain)
	mux.HandleFunc("GET /api/v1/explain/connection", s.explainConnection)
	mux.HandleFunc("GET /api/v1/logs/{namespace}/{pod}", s.logs)
	mux.HandleFunc("GET /api/v1/{kind}", s.list)
	mux.HandleFunc("GET /api/tap", s.tapRequests)
	mux.HandleFunc("GET /api/v1/top", s.top)
	mux.HandleFunc("GET /api/v1/config", s.effective)
	handler := guarded(mux, open, ownNames(c.Listening))
	if c.Restricted {
		handler = restricted(handler, open)
	}
	return s.recovered(handler)
}

// restricted keeps clients on other machines to the open paths.
func restricted(next http.Handler, open map[string]http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		if open[r.URL.Path] == nil && (err != nil || !from.Addr().Unmap().IsLoopback()) {
			http.Error(w, "only for clients on this machine: use kubectl port-forward", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

type server struct{ Config }

// recovered keeps one bad request from ending the process.
func (s server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil || p == http.ErrAbortHandler {
				return
			}
			// The stack is for the operator, not for whoever reaches the port (H8.5).
			s.Logger.Error("panic at the admin address", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
			http.Error(w, "internal error; the log of Daemun says more", http.StatusInternalServerError)
		}()
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// index tells somebody who came with a browser what is here.
func (s server) index(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintf(w, "Daemun %s, admin address\n\n/healthz\n/livez\n/readyz\n/metrics\n/api/v1/version\n/api/v1/explain?url=URL\n/api/v1/logs/NAMESPACE/POD\n", s.Version)
	for _, k := range Kinds() {
		fmt.Fprintf(w, "/api/v1/%s\n", k.Resource)
	}
}

// healthz is what ingress-nginx's charts probe for liveness and readiness
// both, so it fails as well while requests would not be served.
func (s server) healthz(w http.ResponseWriter, _ *http.Request) {
	if s.Health != nil {
		if err := s.Health(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	fmt.Fprintln(w, "ok")
}

// livez says that the program is alive.
func (s server) livez(w http.ResponseWriter, _ *http.Request) {
	if s.Live != nil {
		if err := s.Live(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	fmt.Fprintln(w, "ok")
}

func (s server) readyz(w http.ResponseWriter, _ *http.Request) {
	if err := s.Ready(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

func (s server) version(w http.ResponseWriter, _ *http.Request) {
	st := s.State()
	writeJSON(w, map[string]any{
		"version": s.Version, "revision": st.Revision, "tables": st.Tables,
		"built": st.Built.Format(time.RFC3339Nano), "took": st.Took.String(),
	})
}

func (s server) explainConnection(w http.ResponseWriter, r *http.Request) {
	if s.ExplainConnection == nil {
		http.Error(w, "this Daemun does not run the Service network", http.StatusNotFound)
		return
	}
	q := r.URL.Query()
	answer, err := s.ExplainConnection(explain.ConnectionRequest{URL: q.Get("url"), Client: q.Get("client")})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	writeJSON(w, answer)
}

func (s server) explain(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	headers, err := explain.ParseHeaders(q["header"])
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if len(headers) == 0 {
		headers = nil
	}
	answer, err := s.Explain(explain.Request{URL: q.Get("url"), Method: q.Get("method"), Headers: headers, Client: q.Get("client")})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	writeJSON(w, answer)
}

// effective is the configuration that is served.
func (s server) effective(w http.ResponseWriter, _ *http.Request) {
	c := s.State().Config
	if c == nil {
		http.Error(w, "nothing is served yet", http.StatusServiceUnavailable)
		return
	}
	writeJSON(w, c)
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	// The only error is a reader that has gone.
	_ = e.Encode(v)
}
