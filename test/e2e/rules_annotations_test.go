package e2e

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What ingress-nginx's own end-to-end suite asks of it and no row elsewhere
// says: the requests are its requests. Where it looks at the text of nginx.conf,
// a row looks at what that text causes.

// signedIn is a service of auth-url that knows user:password, as httpbun's
// /basic-auth/user/password.
func signedIn(w http.ResponseWriter, r *http.Request) {
	if user, password, _ := r.BasicAuth(); user != "user" || password != "password" {
		w.Header().Set("WWW-Authenticate", "Basic")
		w.WriteHeader(401)
	}
}

// h2cBackends is a Service with one endpoint that speaks HTTP/2 without TLS only.
func h2cBackends(t *testing.T, name string, handler http.Handler) string {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return backendsAt(name, s.Listener.Addr().String())
}

const emptyPassword = `---
apiVersion: v1
kind: Secret
metadata: {name: nohash}
stringData: {auth: "foo:"}
`

const (
	signIn     = "auth-signin: http://$host/auth/start"
	byService  = "auth-url: http://signedin.default.svc.cluster.local/basic-auth/user/password"
	userPasses = "Authorization: Basic dXNlcjpwYXNzd29yZA==" // user:password
	annStays   = "Authorization: Basic Zm9vOmJhcg=="         // foo:bar
	annEmpty   = "Authorization: Basic Zm9vOg=="             // foo:
)

// TestRulesOfTheSuite: annotations, each on a host of its own.
func TestRulesOfTheSuite(t *testing.T) {
	t.Parallel()
	d := rulesUp(t, nil, users, emptyPassword,
		backends(t, "web", speaker("web")), backends(t, "other", speaker("other")), backends(t, "signedin", http.HandlerFunc(signedIn)),
		backends(t, "granting", speaker("granting")), h2cBackends(t, "grpc", speaker("grpc")), backends(t, "broken", answering(502), speaker("broken")), backends(t, "soft", pageMaker(true)),
		suiteOfOrigins(), suiteOfAuthentication(), suiteOfPaths(), suiteOfProxying(),
	)
	for _, rows := range [][]row{suiteOriginRows, suiteAuthenticationRows, suitePathRows, suiteProxyingRows} {
		d.check(t, rows)
	}
}

func suiteOfOrigins() string {
	list := func(name, origins string) string {
		return site("cors"+name, "cors"+name+".test", on("enable-cors: true", "cors-allow-origin: "+origins), "/ Prefix web")
	}
	return list("one", "https://origin.cors.com:8080") + list("two", "https://origin.cors.com:8080, https://origin2.cors.com") +
		list("noscheme", "origin.cors.com:8080, https://origin2.cors.com, https://origin.com") + list("any", "*") + list("anyamong", "*, foo.bar.com") +
		list("dots", "https://foo.bar.com") + list("ports", "http://origin.cors.com:8080, http://origin.com:8080") + list("noports", "https://origin2.cors.com, http://origin.com") +
		list("wild", "http://*.origin.cors.com, http://*.origin.com:8080") + list("blank", "      ") +
		site("corslists", "corslists.test", on("enable-cors: true", "cors-allow-headers: DNT,X-CustomHeader, Keep-Alive , User-Agent", "cors-allow-methods: POST , GET",
			"cors-expose-headers: *, X-CustomResponseHeader"), "/ Prefix web")
}

var suiteOriginRows = func() (rows []row) {
	for _, r := range []struct {
		rule, host, origin, allowed string
	}{
		{"an origin", "one", "https://origin.cors.com:8080", "https://origin.cors.com:8080"},
		{"one of two", "two", "https://origin.cors.com:8080", "https://origin.cors.com:8080"},
		{"none of two", "noports", "http://no.origin.com", ""},
		{"an origin without scheme", "noscheme", "origin.cors.com:8080", ""},
		{"the others of its list", "noscheme", "https://origin2.cors.com", "https://origin2.cors.com"},
		{"the last of its list", "noscheme", "https://origin.com", "https://origin.com"},
		{"any, without an origin", "any", "", "*"},
		{"any among others", "anyamong", "", "*"},
		{"a dot is no other character", "dots", "https://fooxbar.com", ""},
		{"the port", "ports", "http://origin.com:8080", "http://origin.com:8080"},
		{"a port that is not in the list", "noports", "http://origin.com:8080", ""},
		{"no port where the list has one", "ports", "http://origin.com", ""},
		{"a subdomain", "wild", "http://foo.origin.cors.com", "http://foo.origin.cors.com"},
		{"a subdomain with a hyphen", "wild", "http://bar-foo.origin.cors.com", "http://bar-foo.origin.cors.com"},
		{"not two subdomains", "wild", "http://bar.foo.origin.cors.com", ""},
		{"a subdomain and the port", "wild", "http://abc.origin.com:8080", "http://abc.origin.com:8080"},
		{"a subdomain without the port", "wild", "http://abc.origin.com", ""},
		{"no subdomain", "wild", "http://origin.com:8080", ""},
		{"blank is any", "blank", "http://origin.com", "*"},
		{"blank is any, of a text that is no origin, too", "blank", "test.origin.com", "*"},
	} {
		want := []string{"200", "no Access-Control-Allow-Origin"}
		if r.allowed != "" {
			want[1] = "Access-Control-Allow-Origin: " + r.allowed
		}
		var fields []string
		if r.origin != "" {
			fields = []string{"Origin: " + r.origin}
		}
		rows = append(rows, row{"1.5 " + r.rule, "GET http://cors" + r.host + ".test/", fields, "", want})
	}
	return append(rows, row{"1.5 blanks in lists", "GET http://corslists.test/", nil, "", []string{
		"200", "Access-Control-Allow-Headers: DNT,X-CustomHeader, Keep-Alive , User-Agent", "Access-Control-Allow-Methods: POST , GET",
		"Access-Control-Expose-Headers: *, X-CustomResponseHeader",
	}})
}()

func suiteOfAuthentication() string {
	return site("nohash", "nohash.test", on(basic, "auth-secret: nohash", "auth-realm: test auth"), "/ Prefix web") +
		site("signed", "signed.test", on(byService, signIn), "/ Prefix web") +
		site("signedorig", "signedorig.test", on(byService, signIn, "auth-signin-redirect-param: orig"), "/ Prefix web") +
		site("signedtwice", "signedtwice.test", on(byService, signIn, basic, "auth-secret: something", "auth-realm: test auth"), "/ Prefix web") +
		site("replaced", "replaced.test", on(byService, signIn, "auth-response-headers: Foo"), "/ Prefix web") +
		site("pooled", "pooled.test", on(byService, signIn, "auth-keepalive: 123", "auth-keepalive-requests: 456", "auth-keepalive-timeout: 789", "auth-keepalive-share-vars: true"), "/ Prefix web") +
		site("unpooled", "unpooled.test", on(byService, signIn, "auth-keepalive: -1"), "/ Prefix web") +
		site("dots", "dots.test", on("auth-url: https://invalid..auth.url"), "/denied-auth Prefix web") +
		site("either", "either.test", on(basic, basicOf, "auth-realm: test basic auth", byService, signIn, "satisfy: any"), "/ Prefix web") +
		site("satisfied", "satisfied.test", on("satisfy: any"), "/ Prefix web") +
		site("granted", "granted.test", on("auth-url: http://granting.default.svc/?f=authorization:foo", "auth-response-headers: Authorization", "backend-protocol: GRPC"), "/ Prefix grpc") +
		site("listurl", "listurl.test", on("auth-url: http://granting.default.svc/?allowed_groups=gid1,gid2&f=X-Groups:both", "auth-response-headers: X-Groups"), "/ Prefix web")
}

var suiteAuthenticationRows = []row{
	{"1.4.2 no hash: nobody passes", "GET http://nohash.test/", []string{annStays}, "", []string{"401"}},
	{"1.4.2 no hash: nor without a password", "GET http://nohash.test/", []string{annEmpty}, "", []string{"401"}},
	{"1.4.1 signed in", "GET http://signed.test/", []string{userPasses}, "", []string{"200", "to web /"}},
	{"1.4.1 not signed in", "GET http://signed.test/?a=b&c=d", nil, "", []string{"302", "Location: http://signed.test/auth/start?rd=http://signed.test%2F%3Fa%3Db%26c%3Dd"}},
	{"1.4.1 auth-signin-redirect-param, signed in", "GET http://signedorig.test/", []string{userPasses}, "", []string{"200"}},
	{"1.4.1 auth-signin-redirect-param", "GET http://signedorig.test/?a=b&c=d", nil, "", []string{"302", "Location: http://signedorig.test/auth/start?orig=http://signedorig.test%2F%3Fa%3Db%26c%3Dd"}},
	{"1.4 auth-secret: missing beside auth-url", "GET http://signedtwice.test/", []string{userPasses}, "", []string{"503", "says 503 Service Temporarily Unavailable"}},
	{"1.4.1 auth-response-headers replaces what the client says", "GET http://replaced.test/", []string{userPasses, "Foo: bar"}, "", []string{"200", "unsent Foo"}},
	{"1.4 auth-keepalive*", "GET http://pooled.test/", []string{userPasses}, "", []string{"200"}},
	{"1.4 auth-keepalive: negative", "GET http://unpooled.test/", nil, "", []string{"302"}},
	{"1.4 auth-url: a host with two dots", "GET http://dots.test/denied-auth", nil, "", []string{"503"}},
	{"1.4 satisfy any: the password", "GET http://either.test/", []string{annSecret}, "", []string{"200"}},
	{"1.4 satisfy any: the service", "GET http://either.test/", []string{userPasses}, "", []string{"200"}},
	{"1.4 satisfy any: neither", "GET http://either.test/?a=b&c=d", nil, "", []string{"302", "Location: http://either.test/auth/start?rd=http://either.test%2F%3Fa%3Db%26c%3Dd"}},
	{"1.4 satisfy alone", "GET http://satisfied.test/", nil, "", []string{"200"}},
	{"1.4.1 gRPC: Authorization of the service replaces the client's", "POST http://granted.test/hello.Hello/Say", []string{"Authorization: bar", "Content-Type: application/grpc"}, "", []string{"200", "sent Authorization: foo"}},
	{"1.4 auth-url: a list in the query", "GET http://listurl.test/", nil, "", []string{"200", "sent X-Groups: both"}},
}

func suiteOfPaths() string {
	return site("kubelego", "longest.test", nil, "/.well-known/acme/challenge Prefix web") + site("rewriteindex", "longest.test", on("rewrite-target: /new/backend"), "/ Prefix web") +
		site("mod1", "modifier.test", nil, "/foo Prefix web") + site("mod2", "modifier.test", on("use-regex: true", "rewrite-target: /new/backend"), "/foo.+ ImplementationSpecific web") +
		site("warn1", "warning.test", nil, "/foo/bar/bar Prefix web") + site("warn2", "warning.test", on("use-regex: true", "rewrite-target: /new/backend"), "/foo/bar/[a-z]{3} ImplementationSpecific web") +
		site("custom", "custom.test", on("use-regex: true", "rewrite-target: /new/backend/$1"), "/foo/bar/(.+) ImplementationSpecific web") +
		site("xfp", "xfp.test", on("x-forwarded-prefix: /test/value", "rewrite-target: /foo"), "/ Prefix web") +
		site("noxfp", "noxfp.test", on("x-forwarded-prefix: ", "rewrite-target: /foo"), "/ Prefix web") +
		site("perm302", "perm302.test", on("permanent-redirect: http://redirect.example.com", "permanent-redirect-code: 302"), "/something Prefix web") +
		site("permcomma", "permcomma.test", on("permanent-redirect: https://maps.test/@1,2?ids=3,4"), "/ Prefix web") +
		site("permlist", "permlist.test", on("permanent-redirect: https://maps.test/a,b?ids=3,4"), "/ Prefix web") +
		site("tempcomma", "tempcomma.test", on("temporal-redirect: https://maps.test/?ids=3,4"), "/ Prefix web") +
		site("temptowww", "temptowww.test", on("temporal-redirect: http://some-site.com", "from-to-www-redirect: true"), "/ Prefix web") +
		site("keepslash", "keepslash.test!", on("ssl-redirect: true", "preserve-trailing-slash: true"), "/ Prefix web") +
		site("appa", "twoapps.test", nil, "/app-a Prefix web") + site("appb", "twoapps.test", on("server-alias: twobars.test"), "/app-b Prefix other") +
		site("trailing", "trailing.test", on("server-alias: a.trail.test, , *.deep.test,   www.trailing.*"), "/ Prefix web")
}

var suitePathRows = []row{
	{"2.3 the longest path first", "GET http://longest.test/.well-known/acme/challenge", nil, "", []string{"200", "to web /.well-known/acme/challenge"}},
	{"2.3 the rest is rewritten", "GET http://longest.test/x", nil, "", []string{"200", "to web /new/backend"}},
	{"2.3 a plain path beside an expression", "GET http://modifier.test/foo", nil, "", []string{"200", "to web /foo"}},
	{"2.3 the expression", "GET http://modifier.test/foo/bar", nil, "", []string{"200", "to web /new/backend"}},
	{"2.3 the longer text is the expression", "GET http://warning.test/foo/bar/bar", nil, "", []string{"200", "to web /new/backend"}},
	{"1.1 rewrite-target: a group", "GET http://custom.test/foo/bar/bar", nil, "", []string{"200", "to web /new/backend/bar"}},
	{"1.1 x-forwarded-prefix", "GET http://xfp.test/", nil, "", []string{"200", "sent X-Forwarded-Prefix: /test/value"}},
	{"1.1 x-forwarded-prefix: empty", "GET http://noxfp.test/", nil, "", []string{"200", "unsent X-Forwarded-Prefix"}},
	{"1.1 permanent-redirect-code: 302", "GET http://perm302.test/something", nil, "", []string{"302", "Location: http://redirect.example.com"}},
	{"1.1 permanent-redirect: a sign that is not accepted", "GET http://permcomma.test/", nil, "", []string{"404"}},
	{"1.1 permanent-redirect: commas", "GET http://permlist.test/", nil, "", []string{"301", "Location: https://maps.test/a,b?ids=3,4"}},
	{"1.1 temporal-redirect: commas", "GET http://tempcomma.test/", nil, "", []string{"302", "Location: https://maps.test/?ids=3,4"}},
	{"1.1 temporal-redirect beside from-to-www-redirect", "GET http://temptowww.test/", nil, "", []string{"302", "Location: http://some-site.com"}},
	{"3.3 from-to-www-redirect beside temporal-redirect", "GET http://www.temptowww.test/", nil, "", []string{"308"}},
	{"3.1 preserve-trailing-slash: the root", "GET http://keepslash.test/", nil, "", []string{"308", "Location: https://keepslash.test/"}},
	{"1.6 server-alias of the second Ingress", "GET http://twobars.test/app-a", nil, "", []string{"200", "to web /app-a", "sent Host: twobars.test"}},
	{"1.6 server-alias: both Ingresses", "GET http://twobars.test/app-b", nil, "", []string{"200", "to other /app-b"}},
	{"1.6 server-alias: empty elements", "GET http://a.trail.test/", nil, "", []string{"200", "to web /"}},
	{"1.6 server-alias: one label of a wildcard", "GET http://a.deep.test/", nil, "", []string{"200", "to web /"}},
	{"1.6 server-alias: two labels of a wildcard", "GET http://a.b.deep.test/", nil, "", []string{"200", "to web /"}},
	{"1.6 server-alias: a wildcard is not the bare name", "GET http://deep.test/", nil, "", []string{"404"}},
	{"1.6 server-alias: a wildcard at the end", "GET http://www.trailing.co.uk/", nil, "", []string{"200", "to web /"}},
	{"1.6 server-alias: not the beginning of a label", "GET http://www.trailing2.uk/", nil, "", []string{"404"}},
}

func suiteOfProxying() string {
	return site("moved", "moved.test", on("proxy-redirect-from: hello.com", "proxy-redirect-to: goodbye.com"), "/ Prefix web") +
		site("movedoff", "movedoff.test", on("proxy-redirect-from: off", "proxy-redirect-to: goodbye.com"), "/ Prefix web") +
		site("size15r", "size15r.test", on("proxy-body-size: 15r"), "/ Prefix web") +
		site("slow", "slow.test", on("proxy-connect-timeout: 50", "proxy-send-timeout: 20", "proxy-read-timeout: 20"), "/ Prefix web") +
		site("slowbad", "slowbad.test", on("proxy-connect-timeout: 50k", "proxy-send-timeout: 20k", "proxy-read-timeout: 20k"), "/ Prefix web") +
		site("bufferson", "bufferson.test", on("proxy-buffering: on", "proxy-buffers-number: 8", "proxy-buffer-size: 8k", "proxy-max-temp-file-size: 128k"), "/ Prefix web") +
		site("again", "again.test", on("proxy-next-upstream: error timeout http_502", "proxy-next-upstream-timeout: 999999", "proxy-next-upstream-tries: 888888"), "/ Prefix broken") +
		site("body1000", "body1000.test", on("client-body-buffer-size: 1000"), "/ Prefix web") + site("body1k", "body1k.test", on("client-body-buffer-size: 1K"), "/ Prefix web") +
		site("body1m", "body1m.test", on("client-body-buffer-size: 1M"), "/ Prefix web") + site("body1b", "body1b.test", on("client-body-buffer-size: 1b"), "/ Prefix web") +
		site("keepalive", "keepalive.test", on("connection-proxy-header: keep-alive"), "/ Prefix web") +
		site("ajp", "ajp.test", on("backend-protocol: AJP"), "/ Prefix web") +
		site("push", "push.test", on("http2-push-preload: true"), "/ Prefix web") +
		site("copied", "copied.test", on("mirror-target: http://localhost/mirror", "mirror-request-body: off"), "/ Prefix web") +
		site("suites", "suites.test!", on("ssl-ciphers: ALL:!aNULL:!EXPORT56:RC4+RSA:+HIGH:+MEDIUM:+LOW:+SSLv2:+EXP", "ssl-prefer-server-ciphers: false"), "/something Prefix web") +
		site("standin", "standin.test", on("default-backend: soft"), "/ Prefix invalid") +
		site("spaced", "spaced.test", on("custom-http-errors: 404, 503", "default-backend: soft"), "/ Prefix web")
}

var suiteProxyingRows = []row{
	{"1.1 proxy-redirect-from: no URL", "GET http://moved.test/?status=302&f=Location:hello.com/a", nil, "", []string{"302", "Location: goodbye.com/a"}},
	{"1.1 proxy-redirect-from: off", "GET http://movedoff.test/?status=302&f=Location:hello.com/a", nil, "", []string{"302", "Location: hello.com/a"}},
	{"1.2 proxy-body-size: bad", "POST http://size15r.test/", nil, strings.Repeat("x", 1<<20+1), []string{"413"}},
	{"1.2 timeouts", "GET http://slow.test/", nil, "", []string{"200"}},
	{"1.2 timeouts: bad", "GET http://slowbad.test/", nil, "", []string{"200"}},
	{"1.2 proxy-buffering", "GET http://bufferson.test/", nil, "", []string{"200", "to web /"}},
	{"1.2 proxy-next-upstream: http_502", "GET http://again.test/", nil, "", []string{"200", "to broken /"}},
	{"1.2 proxy-next-upstream: http_502, again", "GET http://again.test/", nil, "", []string{"200", "to broken /"}},
	{"1.2 client-body-buffer-size: 1000", "POST http://body1000.test/", nil, strings.Repeat("x", 3000), []string{"200", "sent Content-Length: 3000"}},
	{"1.2 client-body-buffer-size: 1K", "POST http://body1k.test/", nil, strings.Repeat("x", 3000), []string{"200"}},
	{"1.2 client-body-buffer-size: 1M", "POST http://body1m.test/", nil, strings.Repeat("x", 3000), []string{"200"}},
	{"1.2 client-body-buffer-size: 1b", "POST http://body1b.test/", nil, strings.Repeat("x", 3000), []string{"200"}},
	{"1.2 connection-proxy-header: keep-alive", "GET http://keepalive.test/", nil, "", []string{"200", "sent Connection: keep-alive"}},
	{"1.2 backend-protocol: AJP is none", "GET http://ajp.test/", nil, "", []string{"200", "to web /"}},
	{"1.2 http2-push-preload", "GET http://push.test/?f=Link:%3C/a.css%3E%3Brel%3Dpreload", nil, "", []string{"200", "Link: </a.css>;rel=preload"}},
	{"1.6 a mirror that cannot be reached", "GET http://copied.test/", nil, "", []string{"200", "to web /"}},
	{"1.6 ssl-ciphers: a list of classes", "GET https://suites.test/something", nil, "", []string{"200"}},
	{"1.6 default-backend without a Service", "GET http://standin.test/alma/armud", []string{"X-Request-ID: something-unique"}, "", []string{
		"200", "to pages /alma/armud", "sent X-Code: 503", "sent X-Ingress-Name: standin", "sent X-Service-Name: invalid", "sent X-Request-ID: something-unique",
	}},
	{"1.6 custom-http-errors: blanks", "GET http://spaced.test/?status=503", []string{"X-Request-ID: unique"}, "", []string{
		"200", "to pages /", "sent X-Code: 503", "sent X-Ingress-Name: spaced", "sent X-Service-Name: web", "sent X-Request-ID: unique",
	}},
}
