package explain

import "daemun/internal/ir"

// traced describes the traces of a route.
func traced(t *ir.Trace) string {
	if t == nil {
		return ""
	}
	text := "new traces only"
	if t.Trust {
		text = "continues the trace of the client"
	}
	if t.Name != "" {
		text += ", spans are named " + t.Name
	}
	return text
}
