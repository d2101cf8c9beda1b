package snippet

import (
	"regexp"
	"slices"
	"strings"

	"daemun/internal/ir"
	"daemun/internal/variable"
)

// answerField is a field of the answer of an authentication service.
var answerField = regexp.MustCompile(`^\$(?:upstream_http_(\w+)|\{upstream_http_(\w+)\})$`)

// maxAuthVariables bounds what is kept of an answer.
const maxAuthVariables = 100

func readAuthRequestSet(r *reader, d *directive) string {
	name, ok := strings.CutPrefix(d.args[0].text, "$")
	field := answerField.FindStringSubmatch(d.args[1].text)
	switch {
	case !ok || !variableName(name):
		return "its first argument is no variable: write $name"
	case variable.Known(name):
		return "$" + name + " is a variable of nginx, which cannot be set here: take another name"
	case field == nil:
		return "its second argument is no field of the answer of the service: write $upstream_http_ and the name, as in $upstream_http_x_user"
	}
	r.declare(name)
	v := ir.AuthVariable{Name: name, Field: strings.ToLower(field[1] + field[2])}
	return r.apply(func(p *ir.Policies) {
		if p.ExternalAuth == nil || len(p.ExternalAuth.Variables) >= maxAuthVariables {
			return // nobody is asked, and the variable is empty
		}
		a := *p.ExternalAuth // a copy: it may be that of other routes
		a.Variables = append(slices.Clip(a.Variables), v)
		p.ExternalAuth = &a
	})
}
