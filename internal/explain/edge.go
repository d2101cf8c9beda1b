package explain

import (
	"fmt"
	"strings"

	"daemun/internal/ir"
)

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

// firewall describes the rules of a route.
func firewall(f *ir.Firewall) string {
	if f == nil {
		return ""
	}
	lines := strings.Count(strings.TrimSpace(f.Rules), "\n") + 1
	text := fmt.Sprintf("%d lines of rules", lines)
	if lines == 1 {
		text = strings.TrimSpace(f.Rules)
	}
	if f.TransactionID != "" {
		text += ", requests are named " + f.TransactionID
	}
	return text
}
