package ir

// Trace makes each request of a route part of a trace.
type Trace struct {
	// Name is the name of the spans, a text with variables; empty is made of
	// the method and the path of the Ingress.
	Name string `json:"name,omitempty"`
	// Trust continues the trace that the client says the request is part of.
	Trust bool `json:"trust,omitempty"`
}

// Sampler says which traces are recorded.
type Sampler string

// The samplers, named as in the ConfigMap.
const (
	SampleAll   Sampler = "AlwaysOn"
	SampleNone  Sampler = "AlwaysOff"
	SampleRatio Sampler = "TraceIdRatioBased"
)

// Tracing says which traces are recorded and where their spans go.
type Tracing struct {
	// Host is a name or an address, Port its port: 4318 is spoken to with
	// OTLP/HTTP, any other with OTLP/gRPC, both without TLS.
	Host string `json:"host"`
	Port int    `json:"port"`
	// Service is the service.name of the spans.
	Service string `json:"service"`
	// Sampler decides about new traces, and with ParentBased only about those;
	// Ratio is the share that SampleRatio records, from 0 to 1.
	Sampler     Sampler `json:"sampler"`
	Ratio       float64 `json:"ratio,omitempty"`
	ParentBased bool    `json:"parentBased,omitempty"`
	// Queue is how many spans may wait, Batch how many go at one time, Delay
	// how long a span waits for others at most.
	Queue int      `json:"queue"`
	Batch int      `json:"batch"`
	Delay Duration `json:"delay"`
}
