package configmap

import (
	"fmt"
	"strings"
)

// Markdown renders the table for docs/configmap.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| Key | Default | Supported | Meaning |\n|---|---|---|---|\n")
	for _, r := range All() {
		value := ""
		if r.Default != "" {
			value = "`" + strings.ReplaceAll(r.Default, "|", `\|`) + "`"
		}
		doc := r.Doc
		if r.annotation != "" {
			doc += " Default of the annotation `" + r.annotation + "`."
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.Name, value, r.Support, strings.ReplaceAll(strings.TrimSpace(doc), "|", `\|`))
	}
	return b.String()
}
