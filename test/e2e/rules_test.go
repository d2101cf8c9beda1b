package e2e

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"daemun/internal/daemuntest"
)

// The rules of ingress-nginx, from the text of an annotation to what goes over
// sockets: one instance per file of rules, with a host for each case. Rows are
// named for the section of the description that states the rule.

// site is an Ingress on one host. Annotations are "name: value" without prefix,
// each path is "/path Type service". A host that ends with "!" has spec.tls
// without a Secret, one with "!secret" with one. name@year is older than name of a later year.
func site(name, host string, annotations []string, paths ...string) string {
	var b strings.Builder
	name, year, aged := strings.Cut(name, "@")
	fmt.Fprintf(&b, "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: %q\n", name)
	if aged {
		fmt.Fprintf(&b, "  creationTimestamp: %s-01-01T00:00:00Z\n", year)
	}
	b.WriteString("  annotations:\n    note: none\n")
	for _, a := range annotations {
		key, value, _ := strings.Cut(a, ": ")
		fmt.Fprintf(&b, "    nginx.ingress.kubernetes.io/%s: %q\n", key, value)
	}
	b.WriteString("spec:\n  ingressClassName: nginx\n")
	host, secret, secure := strings.Cut(host, "!")
	switch {
	case secret != "":
		fmt.Fprintf(&b, "  tls:\n    - {hosts: [%q], secretName: %s}\n", host, secret)
	case secure:
		b.WriteString("  tls:\n    - hosts: [unrelated.test]\n")
	}
	fmt.Fprintf(&b, "  rules:\n    - host: %q\n      http:\n        paths:\n", host)
	for _, p := range paths {
		f := strings.Fields(p)
		fmt.Fprintf(&b, "          - {path: %q, pathType: %s, backend: {service: {name: %s, port: {number: 80}}}}\n", f[0], f[1], f[2])
	}
	return b.String()
}

// on is the list of annotations of a site.
func on(annotations ...string) []string { return annotations }

// backends is a Service whose endpoints are programs of the test.
func backends(t *testing.T, name string, endpoints ...http.Handler) string {
	t.Helper()
	return backendsAt(name, backendAddresses(t, endpoints...)...)
}

// backendAddresses are where programs of the test listen.
func backendAddresses(t *testing.T, endpoints ...http.Handler) (addresses []string) {
	t.Helper()
	for _, handler := range endpoints {
		s := httptest.NewServer(handler)
		t.Cleanup(s.Close)
		addresses = append(addresses, s.Listener.Addr().String())
	}
	return addresses
}

// backendsAt is a Service with endpoints at addresses.
func backendsAt(name string, addresses ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Service\nmetadata: {name: %[1]s}\nspec: {ports: [{name: http, port: 80}]}\n"+
		"---\napiVersion: v1\nkind: Endpoints\nmetadata: {name: %[1]s}\nsubsets:\n", name)
	for _, address := range addresses {
		host, port, _ := net.SplitHostPort(address)
		fmt.Fprintf(&b, "  - {addresses: [{ip: %s}], ports: [{name: http, port: %s}]}\n", host, port)
	}
	if len(addresses) == 0 {
		b.WriteString("  []\n")
	}
	return b.String()
}

// heard is what a backend has got.
type heard struct {
	Service, Method, Target, Host string
	Fields                        http.Header
	Body                          int
}

// speaker is a backend that says what it has got. Of the query it takes
// "status", and "f" for fields of the answer, "Name:value".
type speaker string

func (s speaker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	h := heard{Service: string(s), Method: r.Method, Target: r.RequestURI, Host: r.Host, Fields: r.Header, Body: len(body)}
	query := r.URL.Query()
	for _, f := range query["f"] {
		name, value, _ := strings.Cut(f, ":")
		w.Header().Add(name, value)
	}
	w.Header().Set("X-Service", string(s))
	status := 200
	if text := query.Get("status"); text != "" {
		_, _ = fmt.Sscan(text, &status)
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(h) // nobody reads it if it fails
}

// row is a request and what is to come of it.
type row struct {
	// rule begins with the section.
	rule string
	// ask is "METHOD http(s)://host/target", the target as it is sent.
	ask string
	// fields of the request; a Host among them takes the place of that of ask.
	fields []string
	body   string
	// want is a list of: a status; "to service target"; "Field: value" of the
	// response, or "no Field"; "sent Field: value" to the backend, or "unsent
	// Field"; "says text" for a part of the page.
	want []string
}

// outcome is one answer.
type outcome struct {
	*http.Response
	page  string
	heard heard
}

// instance is an instance that rows ask.
type instance struct {
	*daemuntest.Instance
	// certificate is that of the client, preface what comes before all else.
	certificate *tls.Certificate
	preface     string
}

// rulesUp starts an instance on manifests; http://probe.test is there already.
func rulesUp(t *testing.T, args []string, manifests ...string) instance {
	t.Helper()
	all := strings.Join(manifests, "") + backends(t, "probe", speaker("probe")) + site("probe", "probe.test", on("enable-global-auth: false"), "/ Prefix probe")
	d := instance{Instance: up(t, map[string]string{"all.yaml": all}, args...)}
	d.Eventually(20*time.Second, "an answer", func() error {
		o, err := d.ask("GET http://probe.test/", nil, "")
		if err == nil && o.StatusCode != 200 {
			err = fmt.Errorf("status %d", o.StatusCode)
		}
		return err
	})
	return d
}

// check asks all rows, one after the other.
func (d instance) check(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.rule, func(t *testing.T) {
			o, err := d.ask(r.ask, r.fields, r.body)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range r.want {
				if got, ok := o.is(d.placed(w)); !ok {
					t.Errorf("%s: want %s, got %s", r.ask, d.placed(w), got)
				}
			}
			if t.Failed() {
				t.Logf("%s %v\n%s", o.Status, o.Header, o.page)
			}
		})
	}
}

// placed puts the ports of the instance in.
func (d instance) placed(text string) string {
	_, plain, _ := net.SplitHostPort(d.HTTP)
	_, secure, _ := net.SplitHostPort(d.HTTPS)
	return strings.NewReplacer("{http}", plain, "{https}", secure).Replace(text)
}

// ask sends one request on a connection of its own.
func (d instance) ask(line string, fields []string, body string) (*outcome, error) {
	method, url, _ := strings.Cut(line, " ")
	scheme, rest, _ := strings.Cut(url, "://")
	host, target := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		host, target = rest[:i], rest[i:]
	}
	c, err := d.dial(scheme, host)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(60 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(c, requestText(method, host, target, fields, body)); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	o := &outcome{Response: resp, page: string(page)}
	_ = json.Unmarshal(page, &o.heard) // else it is a page of others
	return o, nil
}

func (d instance) dial(scheme, host string) (net.Conn, error) {
	address := d.HTTP
	if scheme == "https" {
		address = d.HTTPS
	}
	c, err := net.DialTimeout("tcp", address, 30*time.Second)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(c, d.preface); err != nil {
		c.Close()
		return nil, err
	}
	if scheme != "https" {
		return c, nil
	}
	config := &tls.Config{ServerName: host, InsecureSkipVerify: true}
	if d.certificate != nil {
		// Whatever authorities the host names.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return d.certificate, nil }
	}
	return tls.Client(c, config), nil
}

// requestText is the text of a request.
func requestText(method, host, target string, fields []string, body string) string {
	has := func(name string) bool {
		return slices.ContainsFunc(fields, func(f string) bool { return strings.HasPrefix(strings.ToLower(f), name) })
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", method, target)
	if !has("host:") {
		fmt.Fprintf(&b, "Host: %s\r\n", host)
	}
	for _, f := range fields {
		b.WriteString(f + "\r\n")
	}
	if body != "" && !has("transfer-encoding:") && !has("content-length:") {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	return b.String() + "\r\n" + body
}

// is reports whether the answer is as wanted; got says how it is.
func (o *outcome) is(want string) (got string, ok bool) {
	verb, rest, _ := strings.Cut(want, " ")
	field := func(h http.Header, line string) (string, bool) {
		name, value, _ := strings.Cut(line, ": ")
		got := strings.Join(h.Values(name), "|")
		return fmt.Sprintf("%q", got), got == value
	}
	switch {
	case verb == "to":
		got = o.heard.Service + " " + o.heard.Target
		return got, got == rest
	case verb == "no":
		values := o.Header.Values(rest)
		return fmt.Sprint(values), len(values) == 0
	case verb == "sent" && strings.HasPrefix(rest, "Host: "):
		return o.heard.Host, rest == "Host: "+o.heard.Host
	case verb == "sent":
		return field(o.heard.Fields, rest)
	case verb == "unsent":
		values := o.heard.Fields.Values(rest)
		return fmt.Sprint(values), len(values) == 0 && o.heard.Service != ""
	case verb == "says":
		return o.page, strings.Contains(o.page, rest)
	case strings.HasSuffix(verb, ":"):
		return field(o.Header, want)
	}
	got = fmt.Sprint(o.StatusCode)
	return got, got == want
}
