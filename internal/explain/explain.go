// Package explain answers "why does this URL go there?": it turns a request
// and a routing table into the decision trail a person can read.
//
// It uses the table's own matching, so that its verdict cannot differ from
// what a request gets, and sends nothing anywhere.
package explain

import (
	"fmt"
	"net/url"
	"strings"

	"daemun/internal/ir"
	"daemun/internal/table"
	"daemun/internal/upstream"
)

// Request is the request to explain.
type Request struct {
	// URL is absolute ("https://shop.example/cart?x=1"); without a scheme it
	// is http.
	URL string
	// Method defaults to GET.
	Method string
}

// Answer is the trail of one request.
type Answer struct {
	URL    string `json:"url"`
	Method string `json:"method"`
	// Listener is "http" or "https".
	Listener string `json:"listener"`
	// Certificate is what the TLS listener shows for the host.
	Certificate string      `json:"certificate,omitempty"`
	Trail       table.Trail `json:"trail"`
	// Policies are the settings of the route that differ from "off", in the
	// order in which they act.
	Policies []Policy `json:"policies,omitempty"`
	// Endpoints are those of the backend that answers.
	Endpoints []upstream.Status `json:"endpoints,omitempty"`
	// Result is what the client gets, in one sentence.
	Result string `json:"result"`
	// Problems concern the Ingress of the route.
	Problems []ir.Problem `json:"problems,omitempty"`
}

// Policy is one setting of the route.
type Policy struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	// Source is "annotation" or "default".
	Source string `json:"source"`
}

// Source is what a request is explained with.
type Source struct {
	Table    *table.Table
	Problems []ir.Problem
	// Annotations returns the annotations of an Ingress, so that the trail can
	// tell a user's setting from a default; prefix is that of our annotations.
	Annotations func(ingress ir.Ref) map[string]string
	Prefix      string
}

// Explain tells what happens to a request. The error says what is wrong with
// the request.
func Explain(r Request, s Source) (*Answer, error) {
	u, err := parseURL(r.URL)
	if err != nil {
		return nil, err
	}
	method := strings.ToUpper(r.Method)
	if method == "" {
		method = "GET"
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	a := &Answer{URL: u.String(), Method: method, Listener: u.Scheme, Trail: s.Table.Explain(u.Host, path)}
	host, route := found(s.Table, a.Trail, path)
	if host == nil {
		a.Result = "400: " + a.Trail.Reason
		return a, nil
	}
	if u.Scheme == "https" {
		a.Certificate = certificate(host.IR)
	}
	if route == nil {
		a.Result = whole(u, host, a.Trail)
		return a, nil
	}
	own := s.Annotations(route.IR.Ingress)
	for _, row := range policies() {
		if value := row.value(host.IR, route.IR); value != "" {
			a.Policies = append(a.Policies, Policy{Name: row.name, Value: value, Source: source(own, s.Prefix, row.name)})
		}
	}
	if route.Backend != nil {
		a.Endpoints = route.Backend.Status()
	}
	a.Result = result(u, s.Table, host, route, path)
	for _, p := range s.Problems {
		if route.IR.Ingress.Name != "" && p.Object.Kind == "Ingress" && p.Object.Namespace == route.IR.Ingress.Namespace && p.Object.Name == route.IR.Ingress.Name {
			a.Problems = append(a.Problems, p)
		}
	}
	return a, nil
}

func parseURL(text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%q is not a URL: %w", text, err)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q: scheme %q is not served; use http or https", text, u.Scheme)
	}
	if u.Host == "" {
		return nil, fmt.Errorf("%q has no host: want a URL such as http://shop.example/cart", text)
	}
	return u, nil
}

// found repeats the table's own resolution to get at the route itself.
func found(t *table.Table, trail table.Trail, path string) (*table.Host, *table.Route) {
	if trail.Outcome == "bad host" {
		return nil, nil
	}
	var m table.Match
	switch t.Resolve([]byte(trail.Host), []byte(path), &m) {
	case table.Found:
		return m.Host, m.Route
	case table.BadPath, table.Ambiguous:
	}
	return nil, nil
}

// whole is the result for a host that is a redirect to another name.
func whole(u *url.URL, h *table.Host, trail table.Trail) string {
	return fmt.Sprintf("redirect to %s://%s (%s)", u.Scheme, h.IR.RedirectTo, trail.Reason)
}

func certificate(h *ir.Host) string {
	if len(h.Certificates) == 0 {
		return "Daemun's own (no certificate is configured for this host)"
	}
	names := make([]string, len(h.Certificates))
	for i, c := range h.Certificates {
		names[i] = "Secret " + string(c)
	}
	return strings.Join(names, ", ")
}

func source(own map[string]string, prefix, name string) string {
	if own[prefix+"/"+name] != "" {
		return "annotation"
	}
	return "default"
}
