package snippet

import (
	"slices"
	"strings"

	"daemun/internal/expression"
	"daemun/internal/ir"
	"daemun/internal/variable"
)

// Bounds of maps, of all in one text.
const (
	maxMaps           = 100
	maxMapExpressions = 100
)

// addMap declares the variable of a map.
func (r *reader) addMap(d *directive, m ir.Map) {
	r.declare(m.Name)
	r.Maps = append(r.Maps, m)
	r.mapPlaces = append(r.mapPlaces, d.at)
}

// mapVariable reads the name of the variable that a directive makes.
func (r *reader) mapVariable(w word) (name, wrong string) {
	name, ok := strings.CutPrefix(w.text, "$")
	switch {
	case !ok || !variableName(name):
		return "", "its last argument is no variable: write $name"
	case variable.Known(name):
		return "", "$" + name + " is a variable of nginx, which cannot be made here: take another name"
	case slices.ContainsFunc(r.Maps, func(m ir.Map) bool { return m.Name == name }):
		return "", "there is another one that makes $" + name
	case len(r.Maps) == maxMaps:
		return "", "there are too many of them (100)"
	}
	return name, ""
}

func readMap(r *reader, d *directive) string {
	name, wrong := r.mapVariable(d.args[1])
	if wrong != "" {
		return wrong
	}
	m := ir.Map{Name: name, Source: r.text(d, d.args[0])}
	for i := range d.block {
		if wrong := r.mapEntry(&m, &d.block[i]); wrong != "" {
			return r.brokenLine(d, d.block[i].at, wrong)
		}
	}
	r.addMap(d, m)
	return ""
}

// brokenLine reports a line of a block.
func (r *reader) brokenLine(d *directive, at Place, wrong string) string {
	root := r.root()
	root.Problems = append(root.Problems, Problem{Place: at, Directive: d.name, Message: wrong})
	return ""
}

// mapEntry reads a line of a map.
func (r *reader) mapEntry(m *ir.Map, d *directive) string {
	switch {
	case d.isBlock:
		return "a line of a map has no block"
	case d.name == "hostnames" && len(d.args) == 0:
		m.Hostnames = true
		return ""
	case d.name == "volatile" && len(d.args) == 0:
		m.Volatile = true
		return ""
	case d.name == "include":
		return "include is not supported: no files are read, write the lines here"
	case len(d.args) != 1:
		return "a line has a text and a value: write both, and quotes where there are blanks"
	case d.name == "default":
		m.Default = r.text(d, d.args[0])
		return ""
	}
	e := ir.MapEntry{From: d.name}
	if strings.HasPrefix(e.From, "~") {
		return r.mapExpression(m, d, e)
	}
	e.From, e.To = strings.TrimPrefix(e.From, `\`), r.text(d, d.args[0])
	if slices.ContainsFunc(m.Texts, func(have ir.MapEntry) bool { return strings.EqualFold(have.From, e.From) }) {
		return "there is another line for " + e.From
	}
	m.Texts = append(m.Texts, e)
	return ""
}

func (r *reader) mapExpression(m *ir.Map, d *directive, e ir.MapEntry) string {
	total := 1 + len(m.Expressions)
	for i := range r.Maps {
		total += len(r.Maps[i].Expressions)
	}
	if total > maxMapExpressions {
		return "there are too many expressions in the maps of this text (100)"
	}
	expr, fold := strings.CutPrefix(e.From[1:], "*")
	if wrong := r.expression(d, expr, expression.Case(fold)); wrong != "" {
		return wrong
	}
	e.To = r.text(d, d.args[0]) // behind it: the names of the groups are known now
	m.Expressions = append(m.Expressions, e)
	return ""
}

// settleMaps leaves maps out that need their own value.
func (r *reader) settleMaps() {
	needs := map[string][]string{}
	for i := range r.Maps {
		m := &r.Maps[i]
		texts := []string{m.Source, m.Default}
		for _, e := range slices.Concat(m.Texts, m.Expressions) {
			texts = append(texts, e.To)
		}
		for _, t := range texts {
			_, users := variable.ParseOpen(t)
			needs[m.Name] = append(needs[m.Name], users...)
		}
	}
	var left []ir.Map
	for i, m := range r.Maps {
		if reaches(needs, m.Name, m.Name, map[string]bool{}) {
			r.Problems = append(r.Problems, Problem{Place: r.mapPlaces[i], Directive: "map", Message: "$" + m.Name + " needs its own value"})
			continue
		}
		left = append(left, m)
	}
	r.Maps = left
}

// reaches reports whether the value of a variable needs that of another one.
func reaches(needs map[string][]string, from, to string, seen map[string]bool) bool {
	for _, n := range needs[from] {
		if n == to {
			return true
		}
		if !seen[n] {
			seen[n] = true
			if reaches(needs, n, to, seen) {
				return true
			}
		}
	}
	return false
}
