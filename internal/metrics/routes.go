package metrics

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

const namespace = "nginx_ingress_controller"

// requestLabels are the variable labels of all series of a route, as in
// ingress-nginx (spec §10.2).
var requestLabels = []string{"host", "status", "method", "path", "namespace", "ingress", "service", "canary"}

// routeCollector turns the counters of routes into series at scrape.
type routeCollector struct {
	registry   *Registry
	requests   *prometheus.Desc // nil when excluded
	histograms []routeHistogram
}

type routeHistogram struct {
	desc *prometheus.Desc
	at   *histogram
}

// routeMetric declares one metric of a route.
type routeMetric struct {
	name, help string
	at         func(*layout) *histogram // nil is the counter
}

// routeMetrics are those of ingress-nginx.
func routeMetrics() []routeMetric {
	return []routeMetric{
		{"requests", "Number of client requests.", nil},
		{"request_duration_seconds", "Time from the first octet of a request to the last of its response.", func(l *layout) *histogram { return &l.duration }},
		{"connect_duration_seconds", "Time spent connecting to upstreams.", func(l *layout) *histogram { return &l.connect }},
		{"header_duration_seconds", "Time until the response head of the upstream was read.", func(l *layout) *histogram { return &l.header }},
		{"response_duration_seconds", "Time until the response of the upstream was read.", func(l *layout) *histogram { return &l.response }},
		{"request_size", "Octets of a request: head and body.", func(l *layout) *histogram { return &l.requestSize }},
		{"response_size", "Octets of a response: head and body.", func(l *layout) *histogram { return &l.responseSize }},
		{"bytes_sent", "Octets sent to a client; deprecated, use response_size.", func(l *layout) *histogram { return &l.bytesSent }},
	}
}

// labelsOf are the variable labels of the series of routes.
func labelsOf(c Config) []string {
	if c.WithoutHost {
		return requestLabels[1:]
	}
	return requestLabels
}

func newRouteCollector(r *Registry) *routeCollector {
	rc := &routeCollector{registry: r}
	for _, m := range routeMetrics() {
		name := namespace + "_" + m.name
		if slices.Contains(r.config.Exclude, name) {
			continue
		}
		desc := prometheus.NewDesc(name, m.help, labelsOf(r.config), constantLabels(r.config))
		if m.at == nil {
			rc.requests = desc
			continue
		}
		rc.histograms = append(rc.histograms, routeHistogram{desc, m.at(&r.layout)})
	}
	return rc
}

func constantLabels(c Config) prometheus.Labels {
	return prometheus.Labels{"controller_namespace": c.Namespace, "controller_class": c.Class, "controller_pod": c.Pod}
}

// Describe implements prometheus.Collector.
func (rc *routeCollector) Describe(ch chan<- *prometheus.Desc) {
	if rc.requests != nil {
		ch <- rc.requests
	}
	for _, h := range rc.histograms {
		ch <- h.desc
	}
}

// Collect implements prometheus.Collector.
func (rc *routeCollector) Collect(ch chan<- prometheus.Metric) {
	for _, r := range rc.registry.used() {
		have := r.cells.Load()
		for i, k := range have.keys {
			rc.collect(ch, r.key, k, have.cells[i].sum(&rc.registry.layout))
		}
	}
}

func (rc *routeCollector) collect(ch chan<- prometheus.Metric, r RouteKey, k cellKey, total []uint64) {
	status, method := k.labels()
	n := total[rc.registry.layout.requests]
	if n == 0 {
		return // its first request is being counted
	}
	labels := []string{r.Host, status, method, r.Path, r.Namespace, r.Ingress, r.Service, r.Canary}
	if rc.registry.config.WithoutHost {
		labels = labels[1:]
	}
	for i, l := range labels {
		// Objects are checked, but one wrong octet would end the whole scrape.
		labels[i] = strings.ToValidUTF8(l, "\uFFFD")
	}
	if rc.requests != nil {
		ch <- prometheus.MustNewConstMetric(rc.requests, prometheus.CounterValue, float64(n), labels...)
	}
	for _, h := range rc.histograms {
		if count, sum, buckets := h.at.read(total); count > 0 {
			ch <- prometheus.MustNewConstHistogram(h.desc, count, sum, buckets, labels...)
		}
	}
}
