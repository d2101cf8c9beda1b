package snippet

import (
	"slices"
	"strings"

	"daemun/internal/ir"
	"daemun/internal/variable"
)

// maxAuthVariables bounds what is kept of an answer.
const maxAuthVariables = 100

func readAuthRequestSet(r *reader, d *directive) string {
	name, ok := strings.CutPrefix(d.args[0].text, "$")
	switch {
	case !ok || !variableName(name):
		return "its first argument is no variable: write $name"
	case variable.Known(name):
		return "$" + name + " is a variable of nginx, which cannot be set here: take another name"
	}
	r.declare(name)
	if r.context == Auth {
		r.problem(d, NoEffect, "the service has not answered yet there, and the variable is empty: write it into a configuration-snippet")
		return ""
	}
	v := ir.AuthVariable{Name: name, Value: r.text(d, d.args[1])}
	return r.apply(func(p *ir.Policies) {
		if p.ExternalAuth == nil || len(p.ExternalAuth.Variables) >= maxAuthVariables {
			return // nobody is asked, and the variable is empty
		}
		a := *p.ExternalAuth // a copy: it may be that of other routes
		a.Variables = append(slices.Clip(a.Variables), v)
		p.ExternalAuth = &a
	})
}
