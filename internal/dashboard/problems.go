package dashboard

import (
	"cmp"
	_ "embed"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"daemun/internal/ir"
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

// codeText is docs/problems.md; a test keeps the copy.
//
//go:embed problems.md
var codeText string

// group is a section of the documentation.
type group struct {
	title string
	codes []codeRow
}

type codeRow struct{ code, severity, meaning, do string }

var (
	headingLine = regexp.MustCompile(`^## (.*)$`)
	codeLine    = regexp.MustCompile("^\\| `(DMN[0-9]{4})` \\| (.*) \\| (.*) \\| (.*) \\|$")
)

// parseCodes reads the tables of the documentation.
func parseCodes(text string) []group {
	var groups []group
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if m := headingLine.FindStringSubmatch(line); m != nil {
			groups = append(groups, group{title: m[1]})
		} else if m := codeLine.FindStringSubmatch(strings.ReplaceAll(line, `\|`, "\u2502")); m != nil && len(groups) > 0 {
			g := &groups[len(groups)-1]
			for i := range m {
				m[i] = strings.ReplaceAll(m[i], "\u2502", "|")
			}
			g.codes = append(g.codes, codeRow{m[1], m[2], m[3], m[4]})
		}
	}
	return groups
}

func (d *Dashboard) codeOf(code string) (title string, found *codeRow) {
	for i := range d.codes {
		for j := range d.codes[i].codes {
			if d.codes[i].codes[j].code == code {
				return d.codes[i].title, &d.codes[i].codes[j]
			}
		}
	}
	return "", nil
}

func (d *Dashboard) problemRow(p ir.Problem) problemRow {
	r := problemRow{Problem: p, State: stateOf(p.Severity)}
	if p.File != "" {
		r.Place = p.File
		if p.Line > 0 {
			r.Place = fmt.Sprintf("%s:%d:%d", p.File, p.Line, max(p.Column, 1))
		}
	}
	if _, c := d.codeOf(p.Code); c != nil {
		r.Do = c.do
	}
	return r
}

func (d *Dashboard) problemRows(problems []ir.Problem) []problemRow {
	var rows []problemRow
	for _, p := range problems {
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
	title, c := d.codeOf(code)
	if c == nil {
		return nil, &failure{http.StatusNotFound, "There is no problem code " + code, "Codes are DMN and four digits, as the problems show them."}
	}
	v := &codePage{Code: code, Group: title, Severity: c.severity, Meaning: c.meaning, Do: c.do}
	for _, p := range d.Problems() {
		if p.Code == code && len(v.Rows) < perPage {
			v.Rows = append(v.Rows, d.problemRow(p))
		}
	}
	return &page{template: "code", Title: code, section: "Problems", Body: v}, nil
}
