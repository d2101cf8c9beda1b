package metrics

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config says what is shown beside the series of routes. Every function may be
// nil, then its series are absent; they are called at scrape, from several
// goroutines at once.
type Config struct {
	// Namespace, Class and Pod are the constant labels controller_namespace,
	// controller_class and controller_pod.
	Namespace, Class, Pod string
	Build                 Build
	// Upper bounds of the histograms, ascending; nil are those of
	// ingress-nginx.
	TimeBuckets, LengthBuckets, SizeBuckets []float64

	// WithoutHost leaves the label host out, so that the routes of an Ingress
	// with the same path share their series. StatusClasses has "2xx" for 200.
	WithoutHost, StatusClasses bool
	// Exclude are names of metrics of requests that are not shown.
	Exclude []string
	// Runtime shows go_… and process_…, as ingress-nginx does.
	Runtime bool

	// Own are Daemun's own figures.
	Own Own

	Connections  func() Connections
	Table        func() Table
	Certificates func() []Certificate
	Handshakes   func() Handshakes
	// Rejected counts refused requests by reason; the reasons must be a fixed
	// set (H8.3).
	Rejected func() map[string]uint64
	Layer4   func() Layer4
	DNS      func() DNS
	// AccessLogDropped and AccessLogWritten count lines.
	AccessLogDropped, AccessLogWritten func() uint64
	// Buffers is what bodies of messages take that are buffered.
	Buffers func() Buffers
	// Memory is what load is shed by.
	Memory func() Memory
	// SpansExported and SpansDropped count spans of traces.
	SpansExported, SpansDropped func() uint64
	// FirewallBusy counts what the firewall had no time for; nil without one.
	FirewallBusy func() uint64
	// Leader is the name of the election and whether this one has won it.
	Leader func() (name string, leading bool)
	// Admission is what the webhook has reviewed; it returns nil where there is
	// none.
	Admission func() *Admission
	// Process describes the own process; ReadProcess is the usual one.
	Process func() (Process, error)
}

// Build is what build_info shows.
type Build struct{ Release, Build, Repository string }

// Connections are client connections.
type Connections struct {
	// Active is all that are open; each of them is reading a request, writing
	// a response, or waiting for the next request.
	Active, Reading, Writing, Waiting int64
	Accepted, Handled                 uint64
	// Requests counts requests of all connections, those without a route
	// included; Refused are connections closed for want of room.
	Requests, Refused uint64
}

// Table is the routing table being served.
type Table struct {
	Revision uint64
	// Hash changes with the contents.
	Hash uint64
	// OK is false when the last attempt to build one failed and an older one
	// is served.
	OK bool
	// Built is when it went live, Took how long it took to make.
	Built time.Time
	Took  time.Duration
	// Builds and Failures count attempts.
	Builds, Failures uint64
}

// Certificate is one served certificate and host.
type Certificate struct {
	Namespace, Host, SecretName, Identifier string
	NotAfter                                time.Time
	// What the certificate says of itself.
	IssuerOrganization, IssuerCommonName, SerialNumber, PublicKeyAlgorithm string
}

// Handshakes counts TLS handshakes; OK includes Resumed.
type Handshakes struct{ OK, Resumed, Failed uint64 }

// stateCollector turns the functions of Config into series.
type stateCollector struct{ groups []group }

// group is the metrics that one function feeds.
type group struct {
	metrics []metric
	collect func(emit emitter)
}

// emitter sends a value of the i-th metric of a group.
type emitter func(i int, value float64, labels ...string)

// metric declares one metric. Its name is complete.
type metric struct {
	name, help string
	kind       prometheus.ValueType
	labels     []string
	// bare leaves the controller_* labels out.
	bare bool
	desc *prometheus.Desc
}

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

func newStateCollector(c Config) *stateCollector {
	s := &stateCollector{groups: stateGroups(c)}
	for _, g := range s.groups {
		for i := range g.metrics {
			m := &g.metrics[i]
			labels := constantLabels(c)
			if m.bare {
				labels = nil
			}
			m.desc = prometheus.NewDesc(m.name, m.help, m.labels, labels)
		}
	}
	return s
}

// Describe implements prometheus.Collector.
func (s *stateCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, g := range s.groups {
		for _, m := range g.metrics {
			ch <- m.desc
		}
	}
}

// Collect implements prometheus.Collector.
func (s *stateCollector) Collect(ch chan<- prometheus.Metric) {
	for _, g := range s.groups {
		g.collect(func(i int, v float64, labels ...string) {
			for j, l := range labels {
				labels[j] = strings.ToValidUTF8(l, "\uFFFD")
			}
			ch <- prometheus.MustNewConstMetric(g.metrics[i].desc, g.metrics[i].kind, v, labels...)
		})
	}
}
