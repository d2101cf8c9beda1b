package policy

import (
	"slices"

	"daemun/internal/ir"
	"daemun/internal/variable"
)

// Pages say what a client gets instead of the usual pages (error_page).
type Pages struct{ list []Page }

// Page stands in for the page of some statuses.
type Page struct {
	To       *variable.Text
	statuses []int
	status   int
	own      bool
}

// NewPages returns nil for none.
func NewPages(from []ir.ErrorPage) *Pages {
	if len(from) == 0 {
		return nil
	}
	p := &Pages{}
	for _, e := range from {
		to, _ := variable.ParseOpen(e.To)
		p.list = append(p.list, Page{To: to, statuses: e.Statuses, status: e.Status, own: e.OwnStatus})
	}
	return p
}

// For returns what stands in for a status, nil for nothing. p may be nil.
func (p *Pages) For(status int) *Page {
	if p == nil {
		return nil
	}
	for i := range p.list {
		if slices.Contains(p.list[i].statuses, status) {
			return &p.list[i]
		}
	}
	return nil
}

// Shown is the status that the client gets in place of that of the answer, 0 for
// that one.
func (p *Page) Shown(status int) int {
	switch {
	case p.own:
		return 0
	case p.status != 0:
		return p.status
	}
	return status
}

// Redirect is the status of a redirect to a URL.
func (p *Page) Redirect() int {
	switch p.status {
	case 301, 302, 303, 307, 308:
		return p.status
	}
	return 302
}
