package translate

import (
	"strconv"

	"daemun/internal/annotation"
	"daemun/internal/configmap"
	"daemun/internal/ir"
)

// checkTracing says that what the Ingress asks for goes nowhere. Where the
// settings ask for it, they say so themselves.
func (c *compilation) checkTracing() {
	key := c.t.options.AnnotationsPrefix + "/enable-opentelemetry"
	on, _ := strconv.ParseBool(c.used.Annotations[key])
	if on && c.t.settings.values.Settings.Tracing == nil {
		c.report(configmap.CodeNoCollector, ir.SeverityWarning, annotation.Field(key),
			"otlp-collector-host is not set in the ConfigMap: trace contexts are passed on, and nothing is recorded")
	}
}
