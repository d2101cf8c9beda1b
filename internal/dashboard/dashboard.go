// Package dashboard is what a person sees at the admin address with a browser:
// traffic, routes, Services, Pods, certificates, problems, why a URL goes where
// it goes, and requests as they pass.
//
// It turns the present state of a Daemun into pages. They are complete without
// JavaScript; with it, the same handler sends the changing part of a page again
// whenever it differs (live.go). It changes nothing (H8.2), loads nothing from
// elsewhere, and shows no data of Secrets. It knows nothing of sockets or of who
// may come: package admin guards the address. It owns no goroutine; a page that
// is followed lives in that of its request.
package dashboard

import (
	"embed"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"daemun/internal/control"
	"daemun/internal/explain"
	"daemun/internal/history"
	"daemun/internal/ir"
	"daemun/internal/listen"
	"daemun/internal/store"
	"daemun/internal/table"
	"daemun/internal/tap"
)

// Config is where the shown state comes from. All functions are safe for
// concurrent use.
type Config struct {
	Version      string
	View         func() *store.View
	State        func() control.State
	Table        func() *table.Table
	Problems     func() []ir.Problem
	Certificates func() []listen.CertificateInfo
	// Ready returns nil when requests are served as configured, else why not.
	Ready   func() error
	History *history.History
	Tap     *tap.Tap
	// Source is what routes are explained with.
	Source func() explain.Source
	// Explain answers for one request, ExplainConnection for one connection;
	// the latter is nil where there is no Service network.
	Explain           func(explain.Request) (*explain.Answer, error)
	ExplainConnection func(explain.ConnectionRequest) (*explain.Connection, error)
	// Entrance is the address that serves http, "" before it is open.
	Entrance func() string
	// Log returns the last lines of a container; nil where there are no local
	// Pods.
	Log func(pod store.Name, container string, lines int) ([]byte, error)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Logger hears of what went wrong in here; nil is nobody.
	Logger *slog.Logger
}

//go:embed pages/*.html
var pageFiles embed.FS

// Dashboard is the handler of all pages. It is safe for concurrent use.
type Dashboard struct {
	Config
	mux     *http.ServeMux
	pages   map[string]*template.Template
	assets  assets
	codes   map[string]codePage
	started time.Time
	// streams holds a token for each page that may still be followed.
	streams chan struct{}

	mu sync.Mutex // guards the following
	// surveyed is shared by all who look within surveyTime.
	surveyed *survey
}

// New returns the dashboard.
func New(c Config) *Dashboard {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Dashboard{Config: c, mux: http.NewServeMux(), assets: newAssets(), codes: codePages(), started: c.Now(), streams: make(chan struct{}, maxStreams)}
	d.pages = d.parsePages()
	for path, p := range map[string]load{
		"GET /{$}":                  d.overview,
		"GET /routes":               d.routes,
		"GET /route":                d.route,
		"GET /services":             d.services,
		"GET /services/{ns}/{name}": d.service,
		"GET /pods":                 d.pods,
		"GET /pods/{ns}/{name}":     d.pod,
		"GET /certificates":         d.certificates,
		"GET /problems":             d.problems,
		"GET /problems/{code}":      d.code,
		"GET /explain":              d.explain,
		"GET /tap":                  d.tap,
	} {
		d.mux.Handle(path, d.page(p))
	}
	d.mux.HandleFunc("GET /tap/live", d.followTap)
	d.mux.HandleFunc("GET /static/{name}", d.assets.serve)
	d.mux.Handle("GET /", d.page(func(r *http.Request) (*page, error) {
		return nil, &failure{http.StatusNotFound, "There is no page " + r.URL.Path, "The pages are those of the menu."}
	}))
	return d
}

// ServeHTTP implements http.Handler.
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept")
	d.mux.ServeHTTP(w, r)
}

func (d *Dashboard) parsePages() map[string]*template.Template {
	files, err := pageFiles.ReadDir("pages")
	if err != nil {
		panic(err) // embedded
	}
	base := template.Must(template.New("layout.html").Funcs(d.functions()).ParseFS(pageFiles, "pages/layout.html", "pages/parts.html"))
	pages := map[string]*template.Template{}
	for _, f := range files {
		if name := strings.TrimSuffix(f.Name(), ".html"); name != "layout" && name != "parts" {
			pages[name] = template.Must(template.Must(base.Clone()).ParseFS(pageFiles, "pages/"+f.Name()))
		}
	}
	return pages
}
