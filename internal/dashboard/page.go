package dashboard

import (
	"bytes"
	"errors"
	"net/http"
	"strings"

	"daemun/internal/ir"
)

// load makes the contents of a page.
type load func(*http.Request) (*page, error)

// page is what a template shows. Search and the live part are filled by the
// page's own template from Body.
type page struct {
	// template is its file, Title what it is called, section the entry of the
	// menu that it belongs to.
	template, Title, section string
	Body                     any
	// Quiet pages are not followed: what they show does not change by itself.
	Quiet bool

	Nav     []entry
	Version string
	// NotReady is why requests are not served as configured, "" if they are.
	NotReady string
}

// entry is one line of the menu.
type entry struct {
	Path, Name string
	Current    bool
	// Count of State stands beside the name; 0 is nothing.
	Count int
	State state
}

// failure is a page that cannot be shown, with what to do.
type failure struct {
	status        int
	Message, Hint string
}

// Error implements error.
func (f *failure) Error() string { return f.Message }

func (d *Dashboard) page(l load) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
			d.follow(w, r, l)
			return
		}
		p, status := d.make(r, l)
		text, err := d.render(p, "layout.html")
		if err != nil {
			d.Logger.Error("a page of the dashboard cannot be shown", "path", r.URL.Path, "err", err)
			http.Error(w, "internal error; the log of Daemun says more", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		_, _ = w.Write(text) // fails when the reader has gone
	})
}

// make loads a page, or the one that says why not.
func (d *Dashboard) make(r *http.Request, l load) (*page, int) {
	status := http.StatusOK
	p, err := l(r)
	if err != nil {
		var f *failure
		if !errors.As(err, &f) {
			f = &failure{http.StatusInternalServerError, err.Error(), "Try again; if it stays, the log of Daemun says more."}
		}
		status = f.status
		p = &page{template: "failure", Title: http.StatusText(status), Body: f, Quiet: true}
	}
	p.Version = d.Version
	if err := d.Ready(); err != nil {
		p.NotReady = err.Error()
	}
	p.Nav = d.nav(p.section)
	return p, status
}

func (d *Dashboard) nav(section string) []entry {
	list := []entry{{Path: "/", Name: "Overview"}, {Path: "/routes", Name: "Routes"}, {Path: "/services", Name: "Services"}}
	if d.Log != nil {
		list = append(list, entry{Path: "/pods", Name: "Pods"})
	}
	list = append(list, entry{Path: "/certificates", Name: "Certificates"}, entry{Path: "/problems", Name: "Problems"},
		entry{Path: "/explain", Name: "Explain"}, entry{Path: "/tap", Name: "Requests"})
	for i := range list {
		e := &list[i]
		e.Current = e.Name == section
		switch e.Name {
		case "Problems":
			e.Count, e.State = countProblems(d.Problems())
		case "Routes":
			if e.Count = d.survey().failing; e.Count > 0 {
				e.State = fail
			}
		}
	}
	return list
}

// countProblems counts what has to be done, and says how bad it is.
func countProblems(problems []ir.Problem) (n int, worst state) {
	for _, p := range problems {
		if s := stateOf(p.Severity); s == fail || s == warn {
			n++
			worst = max(worst, s)
		}
	}
	return n, worst
}

func (d *Dashboard) render(p *page, part string) ([]byte, error) {
	var b bytes.Buffer
	if err := d.pages[p.template].ExecuteTemplate(&b, part, p); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// state is how something is. Worse ones are larger.
type state int

// The states. Idle is neither good nor bad.
const (
	idle state = iota
	ok
	warn
	fail
)

// String is the word that stands beside the mark.
func (s state) String() string { return [...]string{"idle", "ok", "warning", "failing"}[s] }

func stateOf(s ir.Severity) state {
	switch s {
	case ir.SeverityError:
		return fail
	case ir.SeverityWarning:
		return warn
	}
	return idle
}
