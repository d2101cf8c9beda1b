package annotation

import (
	"fmt"
	"strings"
)

// Markdown renders the table for docs/annotations.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| Annotation | Acts on | Default | Risk | Bad value | Supported | Meaning |\n|---|---|---|---|---|---|---|\n")
	for i := range rows {
		r := &rows[i]
		name := "`" + r.Name + "`"
		for _, a := range r.Aliases {
			name += ", `" + a + "`"
		}
		value := ""
		if r.Default != "" {
			value = "`" + r.Default + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", name, r.Scope, value, r.Risk, r.Bad, r.Support,
			strings.ReplaceAll(r.Doc, "|", `\|`))
	}
	return b.String()
}
