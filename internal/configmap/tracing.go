package configmap

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"daemun/internal/ir"
	"daemun/internal/variable"
)

// CodeNoCollector says that traces are asked for and no collector is named.
const CodeNoCollector = "DMN0360"

// defaultTracing are ingress-nginx's settings but for the collector (§8).
func defaultTracing() ir.Tracing {
	return ir.Tracing{
		Port: 4317, Service: "nginx", Sampler: ir.SampleAll, Ratio: 0.01, ParentBased: true,
		Queue: 2048, Batch: 512, Delay: ir.Duration(5 * time.Second),
	}
}

// settleTracing makes settings of a collector, and a policy for routes that
// have no annotations.
func (p *parsing) settleTracing() {
	v := &p.Values
	if v.tracing.Host != "" {
		v.Settings.Tracing = new(v.tracing)
		v.Settings.Tracing.Batch = min(v.tracing.Batch, v.tracing.Queue)
	}
	v.Defaults.Trace = v.Defaults.Tracing.Policy()
	if v.Defaults.Trace != nil && v.tracing.Host == "" {
		p.report(CodeNoCollector, ir.SeverityWarning, "enable-opentelemetry",
			"otlp-collector-host is not set: trace contexts are passed on, and nothing is recorded; name the host of a collector")
	}
}

func parseServiceName(s string, v *Values) error {
	if len(s) > 255 {
		return errors.New("is longer than 255 bytes")
	}
	v.tracing.Service = s
	return nil
}

func parseSampler(s string, v *Values) error {
	known := []ir.Sampler{ir.SampleAll, ir.SampleNone, ir.SampleRatio}
	if !slices.Contains(known, ir.Sampler(s)) {
		return fmt.Errorf("is no sampler: write %s, %s or %s", known[0], known[1], known[2])
	}
	v.tracing.Sampler = ir.Sampler(s)
	return nil
}

func parseRatio(s string, v *Values) error {
	share, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(share) || share < 0 || share > 1 {
		return errors.New("is no share: write a number from 0 to 1, such as 0.05")
	}
	v.tracing.Ratio = share
	return nil
}

// parseSpanName reads the name of spans, which the operator may give variables.
func parseSpanName(s string, v *Values) error {
	if len(s) > 1024 {
		return errors.New("is longer than 1024 bytes")
	}
	if _, err := variable.Parse(s); err != nil {
		return fmt.Errorf("cannot be used: %w", err)
	}
	v.Defaults.Draft.Tracing.Name = s
	return nil
}
