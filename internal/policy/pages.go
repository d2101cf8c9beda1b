package policy

import (
	"slices"

	"daemun/internal/expression"
	"daemun/internal/ir"
)

// Pages say what a client gets instead of the usual pages (error_page).
type Pages struct{ list []page }

type page struct {
	statuses []int
	script   *Script
}

func newPages(from []ir.ErrorPage, beyond expression.Engine) *Pages {
	if len(from) == 0 {
		return nil
	}
	p := &Pages{}
	for _, e := range from {
		p.list = append(p.list, page{e.Statuses, NewScript(&ir.Script{Steps: e.Steps}, beyond)})
	}
	return p
}

// For returns what stands in for a status, nil for nothing.
func (p *Pages) For(status int) *Script {
	for i := range p.list {
		if slices.Contains(p.list[i].statuses, status) {
			return p.list[i].script
		}
	}
	return nil
}
