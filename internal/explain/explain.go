// Package explain answers "why does this go there?": it turns a request and a
// routing table, or a connection and a Service network, into the decision trail
// a person can read.
//
// It uses the matching of the table and the rules of layer 4 themselves, so that
// its verdict cannot differ from what a client gets, and sends nothing anywhere.
// What those have forgotten (who wrote a rule, in which file; why an endpoint is
// not ready) it takes from the objects.
package explain

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"daemun/internal/ir"
	"daemun/internal/store"
	"daemun/internal/table"
)

// Request is the request to explain.
type Request struct {
	// URL is absolute ("https://shop.example/cart?x=1"); without a scheme it
	// is http.
	URL string
	// Method defaults to GET.
	Method string
	// Headers are fields of the request, and Client is the address that it
	// comes from; nil and "" leave open what depends on them.
	Headers http.Header
	Client  string
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
	// Won is the rule that decides; nil when none does (400, redirected host).
	Won *Rule `json:"won,omitempty"`
	// Nearest is the rule or host that came closest without winning.
	Nearest *Rule `json:"nearest,omitempty"`
	// RegexBecause says which Ingress put the host into regex mode.
	RegexBecause string `json:"regexBecause,omitempty"`
	// Policies are the settings of the route that differ from "off", in the
	// order in which they act.
	Policies []Policy `json:"policies,omitempty"`
	// Endpoints are those of the backend of the route, ready or not.
	Endpoints []Endpoint `json:"endpoints,omitempty"`
	// Upstream is what the backend gets: request line, Host, protocol. Empty
	// when nothing is forwarded.
	Upstream string `json:"upstream,omitempty"`
	// Result is what the client gets, in one sentence.
	Result string `json:"result"`
	// Hint is what would have to be different for another result; empty when
	// the request reaches a backend.
	Hint string `json:"hint,omitempty"`
	// Problems concern the Ingress of the route, or one that would serve the
	// host if it were right.
	Problems []ir.Problem `json:"problems,omitempty"`
}

// Policy is one setting of the route.
type Policy struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	// Source is "annotation", "default" or, for all hosts, "ConfigMap".
	Source string `json:"source"`
	// Place is where the annotation is written: the Ingress, and file, line and
	// column where they are known.
	Place string `json:"place,omitempty"`
}

// Source is what a request is explained with.
type Source struct {
	Table    *table.Table
	View     *store.View
	Problems []ir.Problem
	// Prefix is that of our annotations.
	Prefix string
	// Place returns "file:line:column" of a field of an object, or "". It may
	// be nil.
	Place func(object ir.Ref, field string) string
}

// Explain tells what happens to a request. The error says what is wrong with
// the request.
func Explain(r Request, s Source) (*Answer, error) {
	u, err := parseURL(r.URL)
	if err != nil {
		return nil, err
	}
	who, err := askerOf(r)
	if err != nil {
		return nil, err
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	e := &explanation{Source: s, u: u, path: path, asker: who}
	e.Answer = &Answer{
		URL: u.String(), Method: cmp.Or(strings.ToUpper(r.Method), "GET"), Listener: u.Scheme,
		Trail: s.Table.Explain(u.Host, path),
	}
	e.find()
	e.describe()
	return e.Answer, nil
}

// explanation is one Answer in the making.
type explanation struct {
	*Answer
	Source
	u     *url.URL
	path  string
	asker asker

	// match is what the table resolved; host and route are nil as there.
	match table.Match
	host  *table.Host
	route *table.Route
	// toHTTPS: the result is the https redirect.
	toHTTPS bool
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
	u.Fragment, u.RawFragment = "", "" // browsers keep it to themselves
	return u, nil
}

// find repeats the table's own resolution to get at the route itself.
func (e *explanation) find() {
	if e.Trail.Outcome == "bad host" {
		return
	}
	outcome := e.Table.Resolve([]byte(e.Trail.Host), []byte(e.path), &e.match)
	e.host = e.match.Host
	if outcome == table.Found {
		e.route = e.match.Route
	}
}

// describe fills the answer in.
func (e *explanation) describe() {
	if e.host != nil && e.u.Scheme == "https" {
		e.Certificate = certificate(e.host.IR)
	}
	e.Nearest = e.nearest()
	if e.route == nil {
		e.Result, e.Hint = e.unrouted()
		return
	}
	e.Won = e.rule(&e.Trail.Steps[e.Trail.Winner])
	if e.Trail.RegexMode {
		e.RegexBecause = e.regexBecause()
	}
	e.Policies = e.policies()
	if e.route.Backend != nil {
		e.Endpoints = e.endpoints(e.route)
	}
	e.result()
	e.concerning(e.route.IR.Ingress, e.field(&e.Trail.Steps[e.Trail.Winner]))
	e.Hint = e.hint()
}

// unrouted is the result without a route: a bad host or path, or a host that
// only redirects.
func (e *explanation) unrouted() (result, hint string) {
	switch t := &e.Trail; {
	case e.host == nil:
		return "400: " + t.Reason, "write a host name of letters, digits, dashes and dots"
	case t.RedirectTo != "":
		port := cmp.Or(e.u.Port(), map[string]string{"http": "80", "https": "443"}[e.u.Scheme])
		location := fmt.Sprintf("%s://%s:%s%s", e.u.Scheme, t.RedirectTo, port, e.u.RequestURI())
		return fmt.Sprintf("%d to %s: %s", e.Table.Settings.HTTPRedirectCode, strings.TrimSuffix(location, "/"), t.Reason),
			fmt.Sprintf("ask for %s directly", t.RedirectTo)
	case t.Outcome == table.Ambiguous.String():
		return "400: " + t.Reason, fmt.Sprintf("write the path so that it has one reading, without doubled slashes, dot segments or encoded slashes: %s", t.Readings.Matched)
	default:
		return "400: " + t.Reason, pathMistake(e.path)
	}
}

// pathMistake says what would make a path legal.
func pathMistake(path string) string {
	switch text, err := url.PathUnescape(path); {
	case err != nil:
		return "encode the path correctly: % is followed by two hexadecimal digits"
	case strings.Contains(text, "\x00"):
		return "leave %00 out: no path has it"
	case slices.Contains(strings.Split(text, "/"), ".."):
		return "leave out the .. that leads above /"
	}
	return "begin the path with /, and write # in it as %23"
}

// concerning adds the problems of an Ingress, but none of its paths other than
// the one at field.
func (e *explanation) concerning(ingress ir.Ref, field string) {
	if ingress.Name == "" {
		return
	}
	for _, p := range e.Source.Problems {
		ofPath := strings.Contains(p.Field, ".http.paths[")
		if p.Object == ingress && (!ofPath || field == "" || strings.HasPrefix(p.Field, field+".")) {
			e.Answer.Problems = append(e.Answer.Problems, p)
		}
	}
}

func certificate(h *ir.Host) string {
	if len(h.Certificates) == 0 {
		return "the default one (no certificate fits this host)"
	}
	names := make([]string, len(h.Certificates))
	for i, c := range h.Certificates {
		names[i] = "Secret " + string(c)
	}
	return strings.Join(names, ", ")
}
