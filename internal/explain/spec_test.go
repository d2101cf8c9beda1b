package explain_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"daemun/internal/daemon"
	"daemun/internal/explain"
	"daemun/internal/ir"
	"daemun/internal/translate"
)

// ing writes an Ingress. annotations are without prefix, "name: value" in flow
// form; each path is "/path Type service". A host that ends with "!" has
// spec.tls. Without host and paths, a service name makes a defaultBackend.
func ing(name, host, annotations string, paths ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: %s\n", name)
	if at := strings.LastIndexByte(name, '@'); at > 0 { // name@year
		b.Reset()
		fmt.Fprintf(&b, "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: %s\n  creationTimestamp: %s-01-01T00:00:00Z\n", name[:at], name[at+1:])
	}
	b.WriteString("  annotations:\n    note: none\n")
	for _, a := range strings.Split(annotations, "; ") {
		if a != "" {
			fmt.Fprintf(&b, "    nginx.ingress.kubernetes.io/%s\n", a)
		}
	}
	b.WriteString("spec:\n")
	host, tls := strings.CutSuffix(host, "!")
	if tls {
		b.WriteString("  tls: [{hosts: [unrelated.test]}]\n")
	}
	if len(paths) > 0 && !strings.Contains(paths[0], " ") {
		fmt.Fprintf(&b, "  defaultBackend: {service: {name: %s, port: {number: 80}}}\n", paths[0])
		paths = paths[1:]
	}
	if len(paths) == 0 && host == "" {
		return b.String()
	}
	b.WriteString("  rules:\n    -\n")
	if host != "" {
		fmt.Fprintf(&b, "      host: %q\n", host)
	}
	if len(paths) > 0 {
		b.WriteString("      http:\n        paths:\n")
	}
	for _, p := range paths {
		f := strings.Fields(p)
		backend := fmt.Sprintf("{service: {name: %s, port: {number: 80}}}", f[2])
		if f[2] == "resource" {
			backend = "{resource: {apiGroup: a.b, kind: Bucket, name: c}}"
		}
		fmt.Fprintf(&b, "          - {path: %q, pathType: %s, backend: %s}\n", f[0], f[1], backend)
	}
	return b.String()
}

// objects are the Services that the cases use: a, b and c have an endpoint,
// "empty" has none; "missing" does not exist.
func objects() string {
	var b strings.Builder
	for i, name := range []string{"a", "b", "c", "empty"} {
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Service\nmetadata: {name: %s}\nspec: {ports: [{port: 80}]}\n", name)
		fmt.Fprintf(&b, "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: %s, labels: {kubernetes.io/service-name: %s}}\n"+
			"addressType: IPv4\nports: [{port: 80}]\nendpoints: [{addresses: [10.0.0.%d], conditions: {ready: %t}}]\n", name, name, i+1, name != "empty")
	}
	return b.String()
}

// want is URL → the beginning of the result.
type want map[string]string

// specCase is one rule of the behaviour of ingress-nginx; its name begins with the
// section that states it.
type specCase struct {
	ingresses []string
	standard  string // --default-backend-service
	want      want
}

func to(service, target string) string { return "forwarded to default/" + service + "/80 as " + target }

const (
	notFound    = "404 from the built-in default backend"
	unavailable = "503: backend default/"
)

func specCases() map[string]specCase {
	return map[string]specCase{
		"2.1.1 the older wins": {
			[]string{ing("a@2025", "h", "", "/ Prefix a"), ing("b@2024", "h", "", "/ Prefix b")},
			"",
			want{"http://h/": to("b", "/")},
		},
		"2.1.1 of equal age the last name wins": {
			[]string{ing("ax", "h", "", "/ Prefix a"), ing("ay", "h", "", "/ Prefix b")},
			"",
			want{"http://h/": to("b", "/")},
		},
		"2.1.3 the implicit root carries the annotations of the creator": {
			[]string{ing("a@2024", "h", "permanent-redirect: https://new.test/", "/foo Prefix a"), ing("b@2025", "h", "", "/bar Prefix b")},
			"",
			want{"http://h/x": "301 to https://new.test/", "http://h/foo": "301 to", "http://h/bar": to("b", "/bar")},
		},
		"2.1.3 an explicit root of any Ingress replaces it": {
			[]string{ing("a@2024", "h", "permanent-redirect: https://new.test/", "/foo Prefix a"), ing("b@2025", "h", "", "/ Prefix b")},
			"",
			want{"http://h/x": to("b", "/x"), "http://h/foo": "301 to"},
		},
		"2.1.3 the implicit root uses spec.defaultBackend of the creator": {
			[]string{ing("a@2024", "h", "", "c", "/foo Prefix a"), ing("b@2025", "h", "", "b", "/bar Prefix b")},
			"default/a",
			want{"http://h/x": to("c", "/x"), "http://other/": to("a", "/")},
		},
		"2.1.4 same path with two types are two locations": {
			[]string{ing("a", "h", "", "/foo Exact a", "/foo Prefix b", "/foo ImplementationSpecific c")},
			"",
			want{"http://h/foo": to("a", "/foo"), "http://h/foo/": to("b", "/foo/"), "http://h/foo/x": to("b", "/foo/x"), "http://h/foobar": notFound},
		},
		"2.1.5 a resource backend answers from the default": {
			[]string{ing("a", "h", "", "/foo Prefix resource", "/bar Prefix a")},
			"",
			want{"http://h/foo": notFound, "http://h/bar": to("a", "/bar")},
		},
		"2.1.5 a rule without paths makes the host": {
			[]string{ing("a@2024", "h", "permanent-redirect: https://new.test/"), ing("b@2025", "*.test", "", "/ Prefix b")},
			"",
			want{"http://h/x": "301 to https://new.test/"},
		},
		"2.1.6 only a defaultBackend takes over the catch-all, without redirects": {
			[]string{ing("a", "", "permanent-redirect: https://new.test/", "a")},
			"default/b",
			want{"http://any/x": to("a", "/x")},
		},
		"2.1.7 missing and empty Services keep their location": {
			[]string{ing("a", "h", "", "/ Prefix a", "/m Prefix missing", "/e Prefix empty")},
			"",
			want{"http://h/m": unavailable + "missing/80", "http://h/e/x": unavailable + "empty/80"},
		},
		"2.2 exact, longest prefix, whole elements, case": {
			[]string{ing("a", "h", "", "/foo Exact a", "/foo Prefix b", "/foo/bar Prefix c")},
			"",
			want{
				"http://h/foo": to("a", "/foo"), "http://h/foo/": to("b", "/foo/"), "http://h/foo/bar": to("c", "/foo/bar"), "http://h/foo/barx": to("b", "/foo/barx"),
				"http://h/FOO": notFound, "http://h/foobar": notFound,
			},
		},
		"2.2 automatic slash": {
			[]string{ing("a", "h", "", "/foo/ Prefix a", "/bar/ Prefix b", "/bar Exact c", "/e/ Exact a")},
			"",
			want{"http://h/foo": "301 to the path with a final slash", "http://h/foo/": to("a", "/foo/"), "http://h/bar": to("c", "/bar"), "http://h/e": notFound, "http://h/foobar": notFound},
		},
		"2.2 the target goes on byte for byte": {
			[]string{ing("a", "h", "", "/ Prefix a")},
			"",
			want{"http://h//a///b": to("a", "//a///b"), "http://h/a/x%2Fy?q=%zz": to("a", "/a/x%2Fy?q=%zz")},
		},
		"2.3 one use-regex makes all of the host expressions": {
			[]string{ing("a", "h", "use-regex: 'true'", "/re/[0-9]+ ImplementationSpecific a"), ing("b", "h", "", "/foo Exact b", "/pre Prefix c")},
			"",
			want{
				"http://h/re/12x": to("a", "/re/12x"), "http://h/foobar": to("b", "/foobar"), "http://h/FOO/x": to("b", "/FOO/x"),
				"http://h/prefix": to("c", "/prefix"), "http://h/x/foo": notFound,
			},
		},
		"2.3 longer path text first, expressions counted by character": {
			[]string{ing("a", "h", "use-regex: 'true'", "/foo/bar/bar ImplementationSpecific a", "/foo/bar/[a-z]{3} ImplementationSpecific b")},
			"",
			want{"http://h/foo/bar/bar": to("b", "/foo/bar/bar")},
		},
		"2.3, 15.1 a Prefix path with a final slash": {
			[]string{ing("a", "h", "use-regex: 'true'", "/re/[0-9]+ ImplementationSpecific a"), ing("b", "h", "", "/pre/ Prefix b")},
			"",
			want{"http://h/pre/x": to("b", "/pre/x"), "http://h/pre": notFound, "http://h/prefix": notFound},
		},
		"2.3 the ordering uses the text as written": {
			[]string{ing("a", "h", "use-regex: 'true'", "/[a-z]+1 ImplementationSpecific a"), ing("b", "h", "", "/ab1 Prefix b", "/abcdefg1 Prefix c")},
			"",
			want{"http://h/abcdefg1": to("c", "/abcdefg1"), "http://h/ab1": to("a", "/ab1")},
		},
		"1.1 the whole path is replaced": {
			[]string{ing("a", "h", "rewrite-target: /", "/foo Prefix a")},
			"",
			want{"http://h/foo/x?q=1": to("a", "/?q=1"), "http://h/x": notFound},
		},
		"1.1 captures": {
			[]string{ing("a", "h", "rewrite-target: /$2", "/api(/|$)(.*) ImplementationSpecific a", "/v(.*) ImplementationSpecific b")},
			"",
			want{"http://h/api": to("a", "/"), "http://h/api/": to("a", "/"), "http://h/api/x/y": to("a", "/x/y"), "http://h/apis": notFound, "http://h/vx": to("b", "/")},
		},
		"1.1 the replacement is not normalised again": {
			[]string{ing("a", "h", "rewrite-target: /$1", "/v(.*) ImplementationSpecific a")},
			"",
			want{"http://h/v/a": to("a", "//a")},
		},
		"1.1 Prefix path equal to the target is regex mode, unrewritten at the path itself": {
			[]string{ing("a", "h", "rewrite-target: /foo", "/foo Prefix a")},
			"",
			want{"http://h/foo/x": to("a", "/foo"), "http://h/foobar": to("a", "/foobar"), "http://h/FOO": to("a", "/FOO")},
		},
		"1.1 path / with target / is plain": {
			[]string{ing("a", "h", "rewrite-target: /", "/ Prefix a")},
			"",
			want{"http://h/x/y": to("a", "/x/y")},
		},
		"1.1 Exact path equal to the target, root of another": {
			[]string{ing("a@2025", "h", "rewrite-target: /foo", "/foo Exact a"), ing("b@2024", "h", "", "/ Prefix b")},
			"",
			want{"http://h/foo": to("a", "/foo"), "http://h/foobar": to("b", "/foobar"), "http://h/FOO": to("b", "/FOO")},
		},
		"1.1 a target with a scheme redirects, missing captures are empty": {
			[]string{ing("a", "h", "rewrite-target: https://bar.example.org/$1", "/original Prefix a")},
			"",
			want{"http://h/original/other": "302 to https://bar.example.org/"},
		},
		"1.1, 15.2 the rewritten path is normalised and escaped": {
			[]string{ing("a", "h", "rewrite-target: /$2", "/api(/|$)(.*) ImplementationSpecific a")},
			"",
			want{"http://h/api/y%2Fz%20q%3Fk?a=%zz": to("a", "/y/z%20q%3Fk?a=%zz")},
		},
		"1.1 app-root for the host, before the https redirect": {
			[]string{ing("a", "h!", "app-root: /app", "/x Prefix a"), ing("b", "h", "", "/ Prefix b")},
			"",
			want{"http://h/": "302 to /app", "https://h/": "302 to /app", "http://h/y": "308 to https://h/y"},
		},
		"1.1 temporal beats permanent": {
			[]string{ing("a", "h", "permanent-redirect: https://p.test/; temporal-redirect: https://t.test/", "/ Prefix a")},
			"",
			want{"http://h/x": "302 to https://t.test/"},
		},
		"2.4 hosts": {
			[]string{ing("a", "x.foo.test", "", "/only Prefix a"), ing("b", "*.foo.test", "", "/ Prefix b"), ing("c", "", "", "/ Prefix c")},
			"",
			want{
				"http://x.foo.test/only": to("a", "/only"), "http://x.foo.test/else": notFound, "http://y.foo.test/": to("b", "/"),
				"http://X.FOO.test.:99/only": to("a", "/only"), "http://y.x.foo.test/": to("c", "/"), "http://foo.test/": to("c", "/"),
			},
		},
		"3.1 any spec.tls redirects every host of the Ingress": {
			[]string{ing("a", "h!", "", "/ Prefix a"), ing("b", "plain", "", "/ Prefix b")},
			"",
			want{"http://h/a/?x=/": "308 to https://h/a/?x=", "http://h/": "308 to https://h", "https://h/": to("a", "/"), "http://plain/": to("b", "/")},
		},
		"3.1 ssl-redirect off, force": {
			[]string{ing("a", "h!", "ssl-redirect: 'false'", "/ Prefix a"), ing("b", "plain", "force-ssl-redirect: 'true'; preserve-trailing-slash: 'true'", "/ Prefix b")},
			"",
			want{"http://h/": to("a", "/"), "http://plain/x/": "308 to https://plain/x/"},
		},
		"3.1 a wildcard with TLS redirects its names": {
			[]string{ing("a", "*.a.test!", "", "/ Prefix a"), ing("b", "foo.a.test", "", "/ Prefix b")},
			"",
			want{"http://foo.a.test/": "308 to https://foo.a.test", "http://x.foo.a.test/": notFound},
		},
		"3.1 the catch-all never redirects, forced it does": {
			[]string{ing("a", "!", "", "/ Prefix a"), ing("b", "", "force-ssl-redirect: 'true'", "/f Prefix b")},
			"",
			want{"http://any/": to("a", "/"), "http://any/f": "308 to https://any/f"},
		},
		"3.1 acme-challenge paths stay on http": {
			[]string{ing("a", "h!", "", "/ Prefix a", "/.well-known/acme-challenge/t Exact b")},
			"",
			want{"http://h/.well-known/acme-challenge/t": to("b", "/.well-known/acme-challenge/t"), "http://h/.well-known/acme-challenge/u": "308 to"},
		},
		"3.1 permanent-redirect answers on http": {
			[]string{ing("a", "h!", "permanent-redirect: https://new.test/", "/ Prefix a")},
			"",
			want{"http://h/x": "301 to https://new.test/"},
		},
		"3.3 www": {
			[]string{ing("a", "foo.test", "from-to-www-redirect: 'true'", "/ Prefix a"), ing("b", "www.bar.test", "from-to-www-redirect: 'true'", "/ Prefix b")},
			"",
			want{"http://www.foo.test/foo": "308 to http://foo.test:80/foo", "https://www.foo.test/": "308 to https://foo.test:443:", "http://bar.test/x": "308 to http://www.bar.test:80/x", "http://foo.test/": to("a", "/")},
		},
		"3.3 www is skipped for a host of its own": {
			[]string{ing("a", "foo.test", "from-to-www-redirect: 'true'", "/ Prefix a"), ing("b", "www.foo.test", "", "/ Prefix b")},
			"",
			want{"http://www.foo.test/": to("b", "/")},
		},
		"1.6 server-alias": {
			[]string{ing("a@2024", "foo.test", "server-alias: 'two.test, bar.test, ~^re[0-9]+[.]test$'", "/ Prefix a"), ing("b@2025", "bar.test", "", "/ Prefix b"), ing("c@2025", "foo.test", "server-alias: late.test", "/c Prefix c")},
			"",
			want{"http://two.test/": to("a", "/"), "http://two.test/c": to("c", "/c"), "http://bar.test/": to("b", "/"), "http://re12.test/": to("a", "/"), "http://late.test/": notFound},
		},
		"1.6 default-backend": {
			[]string{ing("a", "h", "default-backend: b", "/e Prefix empty", "/m Prefix missing", "/ Prefix a"), ing("b", "i", "default-backend: empty", "/ Prefix empty")},
			"",
			want{"http://h/e": to("b", "/e"), "http://h/m": to("b", "/m"), "http://h/": to("a", "/"), "http://i/": unavailable + "empty/80"},
		},
		"11.2 the default backend": {
			[]string{ing("a", "h", "", "/foo Prefix a")},
			"default/c",
			want{"http://h/x": to("c", "/x"), "http://unknown/y": to("c", "/y"), "http://unknown/healthz": "200 from Daemun"},
		},
		"11.2 the default backend without endpoints is the internal 404": {
			[]string{ing("a", "h", "", "/foo Prefix a", "/e Prefix empty")},
			"default/empty",
			want{"http://h/x": notFound, "http://unknown/y": notFound, "http://h/e": unavailable + "empty/80"},
		},
		"11.2 the missing default backend is the internal 404": {
			[]string{ing("a", "h", "", "/foo Prefix a")},
			"default/missing",
			want{"http://h/x": notFound, "http://unknown/y": notFound},
		},
	}
}

// TestSpec asks the whole control side, from manifests to the table, for the
// answers that the behaviour of ingress-nginx demands.
func TestSpec(t *testing.T) {
	t.Parallel()
	for name, tt := range specCases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "in.yaml")
			if err := os.WriteFile(file, []byte(objects()+strings.Join(tt.ingresses, "")), 0o600); err != nil {
				t.Fatal(err)
			}
			o := translate.DefaultOptions()
			o.WithoutClass, o.DefaultBackendService = true, tt.standard
			in, err := daemon.Inspect([]string{file}, nil, o)
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			for _, p := range in.Problems {
				if p.Severity == ir.SeverityError && (strings.HasPrefix(p.Code, "DMN01") || strings.HasPrefix(p.Code, "DMN03")) {
					t.Errorf("%s: %s", p.Severity, p)
				}
			}
			for url, result := range tt.want {
				a, err := in.Explain(explain.Request{URL: url})
				if err != nil {
					t.Fatal(err)
				}
				// A full forwarding result must be equal, not only begin so.
				exact := strings.HasPrefix(result, "forwarded") && !strings.Contains(a.Result, ": the default-backend annotation")
				if exact && a.Result != result || !strings.HasPrefix(a.Result, result) {
					t.Errorf("%s: %s\nwant %s\nproblems: %v", url, a.Result, result, in.Problems)
				}
			}
		})
	}
}
