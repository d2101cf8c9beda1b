package explain

import (
	"fmt"

	"daemun/internal/ir"
)

// globalPolicies are the settings of all hosts that act on the responses of the
// route.
func (e *explanation) globalPolicies() []Policy {
	c := e.Table.Settings.Compression
	if c == nil {
		return nil
	}
	var list []Policy
	add := func(name string, coding *ir.Coding) {
		if coding != nil {
			value := fmt.Sprintf("level %d, from %s octets on, %d types and text/html", coding.Level, sizeOrNothing(coding.MinLength), len(coding.Types))
			list = append(list, Policy{Name: name, Value: value, Source: "ConfigMap"})
		}
	}
	add("use-gzip", c.Gzip)
	add("enable-brotli", c.Brotli)
	return list
}
