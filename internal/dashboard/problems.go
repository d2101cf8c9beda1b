package dashboard

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"daemun/internal/ir"
	"daemun/internal/problems"
)

// problemsPage is the list of problems.
type problemsPage struct {
	Query    query
	Severity string
	Choices  []choice
	Rows     []problemRow
	Paging   paging
	Total    int
}

// problemRow is a problem with what to do about it.
type problemRow struct {
	ir.Problem
	State state
	// Place is "file:line:column", "" for an object of a cluster.
	Place string
	// Do is what helps, from the documentation of the code.
	Do string
}

// codePage is the documentation of one code.
type codePage struct {
	Code, Group, Severity, Meaning, Do string
	Rows                               []problemRow
}

// codePages are the pages of all codes, without present problems.
func codePages() map[string]codePage {
	pages := map[string]codePage{}
	for _, g := range problems.Groups() {
		for _, c := range g.Codes {
			pages[c.Code] = codePage{Code: c.Code, Group: g.Title, Severity: c.Severity, Meaning: c.Meaning, Do: c.Do}
		}
	}
	return pages
}

func (d *Dashboard) problemRow(p ir.Problem) problemRow {
	r := problemRow{Problem: p, State: stateOf(p.Severity)}
	if p.File != "" {
		r.Place = p.File
		if p.Line > 0 {
			r.Place = fmt.Sprintf("%s:%d:%d", p.File, p.Line, max(p.Column, 1))
		}
	}
	r.Do = d.codes[p.Code].Do
	return r
}

func (d *Dashboard) problemRows(list []ir.Problem) []problemRow {
	var rows []problemRow
	for _, p := range list {
		rows = append(rows, d.problemRow(p))
	}
	slices.SortStableFunc(rows, func(a, b problemRow) int { return cmp.Compare(b.State, a.State) })
	return rows
}

func (d *Dashboard) problems(r *http.Request) (*page, error) {
	v := &problemsPage{Query: queryOf(r), Severity: r.URL.Query().Get("severity")}
	all := d.Problems()
	v.Total = len(all)
	counts := map[ir.Severity]int{}
	var found []ir.Problem
	matching := 0
	for _, p := range all {
		if !v.Query.finds(p.Code, p.Object.String(), p.Field, p.File, p.Message) {
			continue
		}
		matching++
		counts[p.Severity]++
		if v.Severity == "" || v.Severity == string(p.Severity) {
			found = append(found, p)
		}
	}
	for _, c := range []struct {
		severity ir.Severity
		name     string
	}{{"", "All"}, {ir.SeverityError, "Errors"}, {ir.SeverityWarning, "Warnings"}, {ir.SeverityNotice, "Notices"}} {
		n := counts[c.severity]
		if c.severity == "" {
			n = matching
		}
		v.Choices = append(v.Choices, choice{c.name, link("/problems", "q", v.Query.Text, "severity", string(c.severity)), n, v.Severity == string(c.severity)})
	}
	rows := d.problemRows(found)
	v.Rows, v.Paging = paginate(r, rows)
	return &page{template: "problems", Title: "Problems", section: "Problems", Body: v}, nil
}

func (d *Dashboard) code(r *http.Request) (*page, error) {
	code := strings.ToUpper(r.PathValue("code"))
	known, ok := d.codes[code]
	if !ok {
		return nil, &failure{http.StatusNotFound, "There is no problem code " + code, "Codes are DMN and four digits, as the problems show them."}
	}
	v := &known
	for _, p := range d.Problems() {
		if p.Code == code && len(v.Rows) < perPage {
			v.Rows = append(v.Rows, d.problemRow(p))
		}
	}
	return &page{template: "code", Title: code, section: "Problems", Body: v}, nil
}
