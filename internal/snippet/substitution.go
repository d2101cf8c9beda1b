package snippet

import (
	"strings"

	"daemun/internal/ir"
)

// Substitution is what a text says of sub_filter; what it does not say is as in
// the text around it.
type Substitution struct {
	Pairs              []ir.TextPair
	Types              []string
	Once, LastModified *bool
}

// maxPairs bounds the texts that a response is searched for.
const maxPairs = 100

func readSubFilter(r *reader, d *directive) string {
	switch {
	case d.args[0].text == "":
		return "the text to be found is empty"
	case len(r.Substitution.Pairs) == maxPairs:
		return "there are too many of them (100)"
	}
	r.Substitution.Pairs = append(r.Substitution.Pairs, ir.TextPair{From: r.text(d, d.args[0]), To: r.text(d, d.args[1])})
	return ""
}

func readSubOnce(r *reader, d *directive) string { return onOff(d, &r.Substitution.Once) }

func readSubLastModified(r *reader, d *directive) string {
	return onOff(d, &r.Substitution.LastModified)
}

func onOff(d *directive, to **bool) string {
	s := d.args[0].text
	if s != "on" && s != "off" {
		return "its argument is neither on nor off"
	}
	is := s == "on"
	*to = &is
	return ""
}

func readSubTypes(r *reader, d *directive) string {
	for _, w := range d.args {
		if w.text != "*" && !strings.Contains(w.text, "/") {
			return w.text + " is no media type such as text/css, and not *"
		}
		r.Substitution.Types = append(r.Substitution.Types, w.text)
	}
	return ""
}

// Substitutions joins levels of texts, the outermost first: as in nginx, each
// setting is that of the innermost level that has it. It returns nil when
// nothing is replaced.
func Substitutions(levels ...[]*Block) *ir.Substitution {
	made := &ir.Substitution{}
	for _, level := range levels {
		var pairs []ir.TextPair
		var types []string
		for _, b := range level {
			s := &b.Substitution
			pairs, types = append(pairs, s.Pairs...), append(types, s.Types...)
			if s.Once != nil {
				made.All = !*s.Once
			}
			if s.LastModified != nil {
				made.LastModified = *s.LastModified
			}
		}
		if len(pairs) > 0 {
			made.Pairs = pairs
		}
		if len(types) > 0 {
			made.Types = types
		}
	}
	if len(made.Pairs) == 0 {
		return nil
	}
	return made
}
