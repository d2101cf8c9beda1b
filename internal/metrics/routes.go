package metrics

import (
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
	requests   *prometheus.Desc
	histograms []routeHistogram
}

type routeHistogram struct {
	desc *prometheus.Desc
	at   *histogram
}

func newRouteCollector(r *Registry) *routeCollector {
	labels := constantLabels(r.config)
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(namespace+"_"+name, help, requestLabels, labels)
	}
	l := &r.layout
	return &routeCollector{
		registry: r,
		requests: desc("requests", "Number of client requests."),
		histograms: []routeHistogram{
			{desc("request_duration_seconds", "Time from the first octet of a request to the last of its response."), &l.duration},
			{desc("connect_duration_seconds", "Time spent connecting to upstreams."), &l.connect},
			{desc("header_duration_seconds", "Time until the response head of the upstream was read."), &l.header},
			{desc("response_duration_seconds", "Time until the response of the upstream was read."), &l.response},
			{desc("request_size", "Octets of a request: head and body."), &l.requestSize},
			{desc("response_size", "Octets of a response: head and body."), &l.responseSize},
			{desc("bytes_sent", "Octets sent to a client; deprecated, use response_size."), &l.bytesSent},
		},
	}
}

func constantLabels(c Config) prometheus.Labels {
	return prometheus.Labels{"controller_namespace": c.Namespace, "controller_class": c.Class, "controller_pod": c.Pod}
}

// Describe implements prometheus.Collector.
func (rc *routeCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- rc.requests
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
	for i, l := range labels {
		// Objects are checked, but one wrong octet would end the whole scrape.
		labels[i] = strings.ToValidUTF8(l, "\uFFFD")
	}
	ch <- prometheus.MustNewConstMetric(rc.requests, prometheus.CounterValue, float64(n), labels...)
	for _, h := range rc.histograms {
		if count, sum, buckets := h.at.read(total); count > 0 {
			ch <- prometheus.MustNewConstHistogram(h.desc, count, sum, buckets, labels...)
		}
	}
}
