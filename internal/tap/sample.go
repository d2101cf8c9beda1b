package tap

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"daemun/internal/http1"
)

// Sample is one request as it is shown.
type Sample struct {
	Time   time.Time  `json:"time"` // of the end
	Client netip.Addr `json:"client"`
	// Scheme is "http" or "https".
	Scheme string `json:"scheme"`
	Method string `json:"method"`
	Host   string `json:"host"`
	Path   string `json:"path"`
	// Query is without "?", and without values that may be credentials.
	Query string `json:"query,omitempty"`
	// Route is host and path of the route, Ingress "namespace/name".
	Route    string `json:"route,omitempty"`
	Ingress  string `json:"ingress,omitempty"`
	Backend  string `json:"backend,omitempty"`
	Endpoint string `json:"endpoint,omitempty"`
	Attempts int    `json:"attempts"`
	Status   int    `json:"status"`
	// Seconds is how long the request took.
	Seconds  float64  `json:"seconds"`
	Received int64    `json:"received"`
	Sent     int64    `json:"sent"`
	ID       string   `json:"id,omitempty"`
	Headers  []Header `json:"headers,omitempty"`
}

// Header is one field of the request.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

const (
	// Redacted stands in place of what may be a credential.
	Redacted = "[redacted]"
	// maxText bounds every text of a sample (H8.6), maxHeaders the fields.
	maxText    = 1 << 10
	maxHeaders = 64
)

// shown are the fields whose values are never credentials, in lower case.
// Every other one is shown by its name only: a field that nobody here knows may
// well be a key.
var shown = map[string]bool{
	"accept": true, "accept-charset": true, "accept-encoding": true, "accept-language": true,
	"access-control-request-headers": true, "access-control-request-method": true,
	"cache-control": true, "connection": true, "content-encoding": true, "content-length": true, "content-type": true,
	"dnt": true, "expect": true, "forwarded": true, "host": true, "if-modified-since": true, "if-none-match": true, "origin": true,
	"pragma": true, "range": true, "sec-ch-ua": true, "sec-ch-ua-mobile": true, "sec-ch-ua-platform": true,
	"sec-fetch-dest": true, "sec-fetch-mode": true, "sec-fetch-site": true, "sec-fetch-user": true,
	"sec-websocket-version": true, "te": true, "traceparent": true, "transfer-encoding": true, "upgrade": true,
	"upgrade-insecure-requests": true, "user-agent": true, "via": true,
	"x-forwarded-for": true, "x-forwarded-host": true, "x-forwarded-port": true, "x-forwarded-proto": true,
	"x-real-ip": true, "x-request-id": true,
}

func sampleOf(r *Request) *Sample {
	s := &Sample{
		Time: r.Time, Client: r.Client, Scheme: "http", Method: text(r.Method), Host: text(r.Host), Path: text(r.Path),
		Query: redactQuery(text(r.Query)), Route: r.RouteHost + r.RoutePath, Ingress: r.Ingress,
		Backend: r.Backend, Endpoint: r.Endpoint, Attempts: r.Attempts,
		Status: r.Status, Seconds: r.Took.Seconds(), Received: r.Received, Sent: r.Sent, ID: text(r.ID),
	}
	if r.Secure {
		s.Scheme = "https"
	}
	s.Headers = headers(r.Fields)
	return s
}

func headers(fields []http1.Field) []Header {
	list := make([]Header, 0, min(len(fields), maxHeaders))
	for _, f := range fields[:min(len(fields), maxHeaders)] {
		h := Header{Name: text(f.Name), Value: Redacted}
		switch name := strings.ToLower(h.Name); {
		case shown[name]:
			h.Value = text(f.Value)
		case name == "referer":
			h.Value = redactURL(text(f.Value))
		}
		list = append(list, h)
	}
	return list
}

// text bounds a text and makes it valid UTF-8 without controls.
func text(b []byte) string {
	cut := len(b) > maxText
	if cut {
		b = b[:maxText]
	}
	s := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(string(b), "\uFFFD"))
	if cut {
		s += "…"
	}
	return s
}

// redactURL takes out what a URL may hold besides a place: user information
// and query values.
func redactURL(u string) string {
	u, query, has := strings.Cut(u, "?")
	if scheme, rest, ok := strings.Cut(u, "://"); ok {
		authority, path, _ := strings.Cut(rest, "/")
		if _, host, user := strings.Cut(authority, "@"); user {
			u = scheme + "://" + Redacted + "@" + host + "/" + path
		}
	}
	if !has {
		return u
	}
	return u + "?" + redactQuery(query)
}

// secretParts are in the names of parameters that hold credentials.
var secretParts = []string{"auth", "code", "cred", "jwt", "key", "pass", "pwd", "secret", "session", "sig", "sid", "state", "ticket", "token"}

// redactQuery takes the values of parameters out whose names say that they are
// credentials.
func redactQuery(query string) string {
	if query == "" {
		return ""
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		lower := strings.ToLower(name)
		// A name with escapes in it hides what it says.
		hidden := strings.Contains(name, "%") || slices.ContainsFunc(secretParts, func(part string) bool { return strings.Contains(lower, part) })
		if ok && value != "" && hidden {
			pairs[i] = name + "=" + Redacted
		}
	}
	return strings.Join(pairs, "&")
}
