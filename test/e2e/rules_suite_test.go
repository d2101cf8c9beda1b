package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"daemun/internal/daemuntest"
)

// snippets is what lets annotations hold directives.
var snippets = []string{"allow-snippet-annotations: true", "annotations-risk-level: Critical"}

// says is a snippet that tells the backend a word.
func says(word string) string {
	return `configuration-snippet: more_set_input_headers "said: ` + word + `";`
}

// odd is an Ingress of which spec is written out.
func odd(name, spec string) string {
	return "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: " + name + "}\nspec:\n  ingressClassName: nginx\n" + spec
}

// TestRulesOfPaths: kinds of paths side by side, of one Ingress and of several,
// and Ingresses without host, path or Service.
func TestRulesOfPaths(t *testing.T) {
	t.Parallel()
	d := rulesUp(t, bySettings, settings(snippets...), backends(t, "web", speaker("web")), backends(t, "other", speaker("other")),
		site("exact@2020", "exact.test", on(says("exact")), "/exact Exact web"),
		site("exact-suffix@2021", "exact.test", on(says("prefix")), "/exact Prefix web"),
		site("exact-again@2022", "exact.test", on(says("again")), "/exact Prefix web"),
		site("root-exact@2020", "mixed.test", on(says("exact /")), "/ Exact web"),
		site("root-prefix@2021", "mixed.test", on(says("prefix /")), "/ Prefix web"),
		site("foo-exact@2022", "mixed.test", on(says("exact /foo")), "/foo Exact web"),
		site("foo-prefix@2023", "mixed.test", on(says("prefix /foo")), "/foo Prefix web"),
		site("prefix", "prefix.test", nil, "/aaa Prefix web"),
		site("odd-path", "odd-path.test", nil, "/xpto/~user/t-e_st.exe Prefix web", "/foo/bar/;xpto Prefix web"),
		site("plain-regex", "plain-regex.test", nil, "/foo/bar/(.+) ImplementationSpecific web"),
		site("regex", "regex.test", on("use-regex: true"), "/foo/bar/(.+) ImplementationSpecific web"),
		odd("inspect", `  rules:
    - host: inspect.test
      http:
        paths:
          - {path: "/bla{alias /var/run/secrets/;}location ~* ^/abcd", pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
          - {path: /also, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
`),
		site("inspected", "inspect.test", nil, "/xpto Prefix web"),
		odd("names", `  rules:
    - {host: first.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}
    - {host: second.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: other, port: {name: http}}}}]}}
`),
		odd("nil-backend", `  rules:
    - {host: nil.test, http: {paths: [{path: /, pathType: Prefix, backend: {resource: {apiGroup: other.test, kind: Anything, name: it}}}]}}
`),
	)
	d.check(t, []row{
		{"ingress exact: the path itself", "GET http://exact.test/exact", nil, "", []string{"200", "sent Said: exact"}},
		{"ingress exact: below it", "GET http://exact.test/exact/suffix", nil, "", []string{"200", "sent Said: prefix"}},
		{"ingress mixed: exactly the root", "GET http://mixed.test/", nil, "", []string{"200", "sent Said: exact /"}},
		{"ingress mixed: below the root", "GET http://mixed.test/bar", nil, "", []string{"200", "sent Said: prefix /"}},
		{"ingress mixed: exactly /foo", "GET http://mixed.test/foo", nil, "", []string{"200", "sent Said: exact /foo"}},
		{"ingress mixed: below /foo", "GET http://mixed.test/foo/bar", nil, "", []string{"200", "sent Said: prefix /foo"}},
		{"ingress mixed: only begins like /foo", "GET http://mixed.test/foobar", nil, "", []string{"200", "sent Said: prefix /"}},
		{"ingress prefix: itself", "GET http://prefix.test/aaa", nil, "", []string{"200"}},
		{"ingress prefix: with a slash", "GET http://prefix.test/aaa/", nil, "", []string{"200"}},
		{"ingress prefix: below", "GET http://prefix.test/aaa/cccc", nil, "", []string{"200"}},
		{"ingress prefix: a longer word", "GET http://prefix.test/aaacccc", nil, "", []string{"404"}},
		{"security paths: a tilde", "GET http://odd-path.test/xpto/~user/t-e_st.exe", nil, "", []string{"200"}},
		{"security paths: a semicolon (H3.8)", "GET http://odd-path.test/foo/bar/;xpto", nil, "", []string{"400"}},
		{"security paths: an expression without use-regex", "GET http://plain-regex.test/foo/bar/lalala", nil, "", []string{"404"}},
		{"security paths: an expression", "GET http://regex.test/foo/bar/lalala", nil, "", []string{"200"}},
		{"ingress deep inspection: the paths beside it", "GET http://inspect.test/also", nil, "", []string{"200"}},
		{"ingress deep inspection: not as a path", "GET http://inspect.test/bla", nil, "", []string{"404"}},
		{"ingress deep inspection: not as a directive", "GET http://inspect.test/abcd/", nil, "", []string{"404"}},
		{"ingress deep inspection: others stay", "GET http://inspect.test/xpto", nil, "", []string{"200"}},
		{"ingress hosts: the Service of the first", "GET http://first.test/exact", nil, "", []string{"200", "to web /exact"}},
		{"ingress hosts: of the second, by the name of a port", "GET http://second.test/exact", nil, "", []string{"200", "to other /exact"}},
		{"service nil: a backend that is no Service", "GET http://nil.test/", nil, "", []string{"404"}},
	})
}

// certificateOf is the certificate that a server name gets; "" sends none.
func (d instance) certificateOf(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	c, err := tls.Dial("tcp", d.HTTPS, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0]
}

// TestRulesOfTheCatchAll: Ingresses without host, those that name a host and a
// default backend only, and the default certificate.
func TestRulesOfTheCatchAll(t *testing.T) {
	t.Parallel()
	d := rulesUp(t, []string{"--default-ssl-certificate", "default/standard"},
		"---\n"+daemuntest.TLSSecret(t, "standard", "standard.test", "standard"), "---\n"+daemuntest.TLSSecret(t, "not-foo", "not.foo.test", "not-foo"),
		backends(t, "web", speaker("web")), backends(t, "all", speaker("all")),
		site("hostless", "", nil, "/below Prefix web"),
		odd("catch-all", "  defaultBackend: {service: {name: all, port: {number: 80}}}\n"),
		odd("only-backend", "  defaultBackend: {service: {name: web, port: {number: 80}}}\n  rules:\n    - host: only-backend.test\n"),
		site("mismatch", "foo.test!not-foo", nil, "/ Prefix web"),
		site("missing", "missing.test!nowhere", nil, "/ Prefix web"),
	)
	d.check(t, []row{
		{"ingress without host", "GET http://anything.test/below", nil, "", []string{"200", "to web /below"}},
		{"ingress without host: a host with a default backend only", "GET http://only-backend.test/x", nil, "", []string{"200", "to web /x"}},
		{"default backend of an Ingress has all the rest", "GET http://anything.test/x", nil, "", []string{"200", "to all /x"}},
		{"ssl redirect: the Secret does not fit", "GET http://foo.test/", nil, "", []string{"308", "Location: https://foo.test"}},
		{"ssl redirect: the Secret is missing", "GET http://missing.test/", nil, "", []string{"308", "Location: https://missing.test"}},
		{"ssl: served with the default certificate", "GET https://missing.test/x", nil, "", []string{"200", "to web /x"}},
	})
	for _, name := range []string{"", "anything.test", "foo.test", "missing.test"} {
		if got := d.certificateOf(t, name).Subject.CommonName; got != "standard" {
			t.Errorf("default-ssl-certificate: %q gets %q", name, got)
		}
	}
}

// TestRulesOfTheDefaultBackend: nothing is there, and requests are logged if wanted.
func TestRulesOfTheDefaultBackend(t *testing.T) {
	t.Parallel()
	d := rulesUp(t, bySettings, settings("enable-access-log-for-default-backend: true"))
	for _, scheme := range []string{"http", "https"} {
		for _, method := range []string{"GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE"} {
			for _, host := range []string{"foo.bar.test/", "foo.bar.test/demo", "127.0.0.1:80/"} {
				d.check(t, []row{{"default backend: nothing is there", method + " " + scheme + "://" + host, nil, "", []string{"404"}}})
			}
		}
	}
	own := d.certificateOf(t, "")
	if got := own.Subject.String(); !strings.Contains(got, "Kubernetes Ingress Controller Fake Certificate") || !strings.Contains(got, "Acme Co") || own.DNSNames[0] != "ingress.local" {
		t.Errorf("default backend: the certificate of %q, %q", got, own.DNSNames)
	}
	d.logs(t, "GET /demo ")
	silent := rulesUp(t, nil)
	silent.check(t, []row{
		{"default backend: not logged", "GET http://foo.test/unlogged", nil, "", []string{"404"}},
		{"default backend: a request of a route is logged", "GET http://probe.test/logged", nil, "", []string{"200"}},
	})
	silent.logs(t, "GET /logged ")
	if out := silent.Stdout(); strings.Contains(out, "/unlogged") { // one queue: it would be before the other
		t.Errorf("default backend: logged by default:\n%s", out)
	}
}

// logs waits for a text in the access log.
func (d instance) logs(t *testing.T, want string) {
	t.Helper()
	daemuntest.Eventually(t, 30*time.Second, "a line of the access log", func() error {
		if out := d.Stdout(); !strings.Contains(out, want) {
			return fmt.Errorf("no %s in\n%s", want, out)
		}
		return nil
	})
}

// TestRulesOfDisableCatchAll: an Ingress with a default backend is none, also when it has become one.
func TestRulesOfDisableCatchAll(t *testing.T) {
	t.Parallel()
	d := rulesUp(t, []string{"--disable-catch-all", "--disable-svc-external-name"}, backends(t, "web", speaker("web")),
		"---\napiVersion: v1\nkind: Service\nmetadata: {name: external}\nspec: {type: ExternalName, externalName: web.example.org, ports: [{port: 80}]}\n",
		odd("catch-all", "  defaultBackend: {service: {name: web, port: {number: 80}}}\n"),
		odd("both", "  defaultBackend: {service: {name: web, port: {number: 80}}}\n  rules: [{host: both.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]\n"),
		site("rules", "rules.test", nil, "/ Prefix web"), site("away", "away.test", nil, "/ Prefix external"),
	)
	d.check(t, []row{
		{"disable-catch-all", "GET http://anything.test/", nil, "", []string{"404"}},
		{"disable-catch-all: with rules", "GET http://both.test/", nil, "", []string{"404"}},
		{"disable-catch-all: rules only", "GET http://rules.test/", nil, "", []string{"200"}},
		{"disable-svc-external-name", "GET http://away.test/", nil, "", []string{"503"}},
	})
	d.Write("rules.yaml", site("late", "late.test", nil, "/ Prefix web"))
	expectStatus := func(want string) {
		t.Helper()
		d.Eventually(20*time.Second, "late.test", func() error {
			o, err := d.ask("GET http://late.test/", nil, "")
			if err == nil && fmt.Sprint(o.StatusCode) != want {
				err = fmt.Errorf("%s, want %s", o.Status, want)
			}
			return err
		})
	}
	expectStatus("200")
	d.Write("rules.yaml", odd("late", "  defaultBackend: {service: {name: web, port: {number: 80}}}\n"))
	expectStatus("404")
}

// TestRulesOfExternalNames: a Service may be the alias of another one, in full
// or in short, and of a name outside, with ports of its own or without.
func TestRulesOfExternalNames(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(speaker("shop"))
	t.Cleanup(server.Close)
	host, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	shop := fmt.Sprintf("---\napiVersion: v1\nkind: Service\nmetadata: {name: shop, namespace: mall}\nspec: {ports: [{name: http, port: 8080}]}\n"+
		"---\napiVersion: v1\nkind: Endpoints\nmetadata: {name: shop, namespace: mall}\nsubsets: [{addresses: [{ip: %s}], ports: [{name: http, port: %s}]}]\n", host, port)
	alias := func(name, of, ports string) string {
		return fmt.Sprintf("---\napiVersion: v1\nkind: Service\nmetadata: {name: %s}\nspec: {type: ExternalName, externalName: %s%s}\n", name, of, ports)
	}
	route := func(name, port string) string {
		return odd(name, fmt.Sprintf("  rules: [{host: %s.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: %s, port: {%s}}}}]}}]\n", name, name, port))
	}
	d := rulesUp(t, nil, shop,
		alias("bare", "shop.mall.svc.cluster.local", ""), route("bare", "number: 8080"),
		alias("short", "shop.mall", ", ports: [{name: web, port: 80, targetPort: 8080}]"), route("short", "name: web"),
		alias("twice", "bare.default.svc", ", ports: [{port: 8080}]"), route("twice", "number: 8080"),
		alias("invalid", "invalid.hostname.invalid", ""), route("invalid", "number: 8080"),
	)
	d.check(t, []row{
		{"service external name: no ports", "GET http://bare.test/get", nil, "", []string{"200", "to shop /get", "sent Host: bare.test", "sent X-Forwarded-Host: bare.test"}},
		{"service external name: a short name, and the name of a port", "GET http://short.test/get", nil, "", []string{"200", "to shop /get"}},
		{"service external name: an alias of an alias", "GET http://twice.test/get", nil, "", []string{"200", "to shop /get"}},
		{"service external name: nobody has it", "GET http://invalid.test/get", nil, "", []string{"503"}},
	})
	d.Write("late.yaml", alias("late", "nobody.mall", "")+route("late", "number: 8080"))
	d.Write("late.yaml", alias("late", "shop.mall", "")+route("late", "number: 8080"))
	d.Eventually(20*time.Second, "the new name", func() error {
		o, err := d.ask("GET http://late.test/get", nil, "")
		if err == nil && o.StatusCode != 200 {
			err = errors.New(o.Status)
		}
		return err
	})
}

// TestRulesOfPublishedNames: a TCP port may lead to an external name, and to
// another one when that changes.
func TestRulesOfPublishedNames(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(speaker("shop"))
	t.Cleanup(server.Close)
	host, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	manifest := func(of string) string {
		return fmt.Sprintf("---\napiVersion: v1\nkind: Service\nmetadata: {name: shop, namespace: mall}\nspec: {ports: [{name: http, port: 8080}]}\n"+
			"---\napiVersion: v1\nkind: Endpoints\nmetadata: {name: shop, namespace: mall}\nsubsets: [{addresses: [{ip: %s}], ports: [{name: http, port: %s}]}]\n"+
			"---\napiVersion: v1\nkind: Service\nmetadata: {name: dns}\nspec: {type: ExternalName, externalName: %s, ports: [{port: 5353, targetPort: 8080}]}\n"+
			"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: tcp}\ndata: {\"9053\": \"default/dns:5353\"}\n", host, port, of)
	}
	address := netip.AddrFrom4([4]byte{127, byte(140 + rand.IntN(50)), byte(rand.IntN(256)), byte(1 + rand.IntN(250))}).String()
	d := daemuntest.Up(t, daemuntest.Options{Bin: bin, Args: []string{"--listen-address", address, "--tcp-services-configmap", "default/tcp"}}, map[string]string{"all.yaml": manifest("shop.mall.svc.cluster.local")})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answers := func() error {
		res, err := client.Get("http://" + net.JoinHostPort(address, "9053") + "/")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if got := res.Header.Get("X-Service"); got != "shop" {
			return fmt.Errorf("%s of %q", res.Status, got)
		}
		return nil
	}
	d.Eventually(20*time.Second, "port 9053", answers)
	d.Write("all.yaml", manifest("nobody.invalid"))
	d.Eventually(30*time.Second, "the end of the port", func() error {
		if err := answers(); !errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("still open: %v", err)
		}
		return nil
	})
	d.Eventually(time.Minute, "problem", func() error {
		if out, _ := d.Run("get", "problems", "-A"); !strings.Contains(out, `external name "nobody.invalid"`) {
			return fmt.Errorf("problems:\n%s", out)
		}
		return nil
	})
	d.Write("all.yaml", manifest("shop.mall"))
	d.Eventually(20*time.Second, "port 9053 again", answers)
}
