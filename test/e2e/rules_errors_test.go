package e2e

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"
)

// pageMaker is an error backend: it says what it was told, with the status that
// was asked about, or 200 at "soft".
func pageMaker(soft bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		status := map[string]int{"404": 404, "503": 503, "401": 401, "403": 403, "413": 413, "502": 502}[r.Header.Get("X-Code")]
		if soft || status == 0 {
			status = 200
		}
		w.Header().Set("X-Made", "here")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(heard{Service: "pages", Method: r.Method, Target: r.RequestURI, Host: r.Host, Fields: r.Header})
	}
}

// TestRulesOfErrors: CORS, error pages, default backends and copies.
func TestRulesOfErrors(t *testing.T) {
	t.Parallel()
	copied := make(chan heard, 100)
	d := rulesUp(t, nil, users,
		backends(t, "web", speaker("web")), backends(t, "pages", pageMaker(false)), backends(t, "soft", pageMaker(true)), backendsAt("empty"),
		backends(t, "copy", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			h := heard{Method: r.Method, Target: r.RequestURI, Host: r.Host, Fields: r.Header}
			buffer := make([]byte, 64)
			h.Body, _ = r.Body.Read(buffer)
			copied <- h
		})),
		site("cors", "cors.test", on("enable-cors: true"), "/ Prefix web"),
		site("corslist", "corslist.test!", on("enable-cors: true", "cors-allow-origin: https://App.test:8443, https://*.partner.test, null, nonsense", "cors-allow-credentials: false",
			"cors-allow-methods: GET, POST", "cors-allow-headers: X-One, X-Two", "cors-expose-headers: X-Three", "cors-max-age: 60"), "/ Prefix web"),
		site("corsbad", "corsbad.test", on("enable-cors: true", "cors-allow-methods: GET;", "cors-max-age: long"), "/ Prefix web"),
		site("corsoff", "corsoff.test", on("cors-allow-origin: *"), "/ Prefix web"),
		site("corsclosed", "corsclosed.test!", on("enable-cors: true", basic, basicOf, "ssl-redirect: false"), "/ Prefix web"),
		site("pages", "pages.test", on("custom-http-errors: 404,503,413", "default-backend: pages", "proxy-body-size: 10"), "/ Prefix web", "/empty Prefix empty"),
		site("softpages", "soft.test", on("custom-http-errors: 401,404", "default-backend: soft", basic, basicOf), "/ Prefix web"),
		site("passed", "passed.test", on("custom-http-errors: 404,502", "default-backend: pages", "disable-proxy-intercept-errors: true"), "/ Prefix web"),
		site("badcodes", "badcodes.test", on("custom-http-errors: many", "default-backend: pages"), "/ Prefix web"),
		site("instead", "instead.test", on("default-backend: pages"), "/ Prefix empty", "/web Prefix web"),
		site("insteadnone", "insteadnone.test", on("default-backend: none"), "/ Prefix empty"),
		site("insteadempty", "insteadempty.test", on("default-backend: empty"), "/ Prefix empty"),
		site("mirror", "mirror.test", on("mirror-target: http://copy.default.svc.cluster.local/copy$request_uri"), "/ Prefix web"),
		site("mirrorless", "mirrorless.test", on("mirror-target: http://copy.default.svc.cluster.local$request_uri", "mirror-request-body: off", "mirror-host: other.test"), "/ Prefix web"),
	)
	d.check(t, corsRows)
	d.check(t, errorRows)
	d.checkMirror(t, copied)
}

var corsRows = []row{
	{"1.5 any origin, without one", "GET http://cors.test/?f=Access-Control-Allow-Origin:https://b.test", nil, "", []string{
		"200", "Access-Control-Allow-Origin: *", "Access-Control-Allow-Credentials: true", "Access-Control-Allow-Methods: GET, PUT, POST, DELETE, PATCH, OPTIONS",
		"Access-Control-Allow-Headers: DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization",
		"Access-Control-Max-Age: 1728000", "no Access-Control-Expose-Headers", "no Vary",
	}},
	{"1.5 preflight", "OPTIONS http://cors.test/x", []string{origin}, "", []string{"204", "Access-Control-Allow-Origin: *", "Content-Length: 0", "no Content-Type"}},
	{"1.5 an origin of the list", "GET https://corslist.test/", []string{"Origin: https://app.test:8443"}, "", []string{
		"200", "Access-Control-Allow-Origin: https://app.test:8443", "no Access-Control-Allow-Credentials", "Access-Control-Allow-Methods: GET, POST", "Access-Control-Allow-Headers: X-One, X-Two",
		"Access-Control-Expose-Headers: X-Three", "Access-Control-Max-Age: 60",
	}},
	{"1.5 any case", "GET https://corslist.test/", []string{"Origin: HTTPS://APP.test:8443"}, "", []string{"200", "Access-Control-Allow-Origin: HTTPS://APP.test:8443"}},
	{"1.5 another port", "GET https://corslist.test/", []string{"Origin: https://app.test"}, "", []string{"200", "no Access-Control-Allow-Origin"}},
	{"1.5 one label", "GET https://corslist.test/", []string{"Origin: https://a.partner.test"}, "", []string{"200", "Access-Control-Allow-Origin: https://a.partner.test"}},
	{"1.5 not two labels", "GET https://corslist.test/", []string{"Origin: https://a.b.partner.test"}, "", []string{"200", "no Access-Control-Allow-Origin"}},
	{"1.5 null", "GET https://corslist.test/", []string{"Origin: null"}, "", []string{"200", "Access-Control-Allow-Origin: null"}},
	{"15.12 the whole origin is compared", "GET https://corslist.test/", []string{"Origin: xhttps://app.test:8443"}, "", []string{"200", "no Access-Control-Allow-Origin"}},
	{"1.5 preflight of another origin goes to the backend", "OPTIONS https://corslist.test/x", []string{"Origin: https://evil.test"}, "", []string{"200", "to web /x", "no Access-Control-Allow-Origin"}},
	{"1.5 preflight is not redirected", "OPTIONS http://corslist.test/x", []string{"Origin: null"}, "", []string{"204"}},
	{"1.5 redirects have the fields", "GET http://corslist.test/x", []string{"Origin: null"}, "", []string{"308", "Access-Control-Allow-Origin: null"}},
	{"1.5 bad values are the defaults", "OPTIONS http://corsbad.test/x", nil, "", []string{"204", "Access-Control-Allow-Methods: GET, PUT, POST, DELETE, PATCH, OPTIONS", "Access-Control-Max-Age: 1728000"}},
	{"1.5 off", "OPTIONS http://corsoff.test/x", []string{origin}, "", []string{"200", "to web /x", "no Access-Control-Allow-Origin"}},
	{"1.5 refusals have the fields", "GET http://corsclosed.test/x", []string{origin}, "", []string{"401", "Access-Control-Allow-Origin: *"}},
	{"1.5 errors have the fields", "GET http://cors.test/?status=500", []string{origin}, "", []string{"500", "Access-Control-Allow-Origin: *"}},
}

var errorRows = []row{
	{"11.3 the error backend is told", "POST http://pages.test/x?status=404", []string{"Accept: text/html", "X-Code: 200", "Host: pages.test:99"}, "abc", []string{
		"404", "to pages /", "X-Made: here", "sent X-Code: 404", "sent X-Format: text/html", "sent X-Original-URI: /x?status=404", "sent X-Namespace: default",
		"sent X-Ingress-Name: pages", "sent X-Service-Name: web", "sent X-Service-Port: 80", "sent X-Forwarded-For: 127.0.0.1", "sent Host: pages.test:99", `says "Method":"POST"`,
	}},
	{"11.3 what is not listed passes", "GET http://pages.test/?status=500", nil, "", []string{"500", "to web /?status=500"}},
	{"1.6 the stand-in's answer is replaced like any other", "GET http://pages.test/empty", nil, "", []string{"503", "to pages /", "sent X-Code: 503", "sent X-Original-URI: /empty"}},
	{"11.3 too long a body", "POST http://pages.test/", nil, "more than ten", []string{"413", "to pages /", "sent X-Code: 413"}},
	{"11.3 the status is that of the error backend", "GET http://soft.test/?status=404", []string{annSecret}, "", []string{"200", "to pages /", "unsent Authorization"}},
	{"14.22 a refusal stays one", "GET http://soft.test/", nil, "", []string{"401", "to pages /", `WWW-Authenticate: Basic realm=""`}},
	{"1.6 disable-proxy-intercept-errors", "GET http://passed.test/?status=404", nil, "", []string{"404", "to web /?status=404"}},
	{"1.6 custom-http-errors: bad", "GET http://badcodes.test/", nil, "", []string{"404", "says 404 Not Found"}},
	{"1.6 default-backend without endpoints", "GET http://instead.test/x?y", []string{"Accept: text/html", "X-Service-Name: forged"}, "", []string{
		"503", "to pages /x?y", "sent X-Code: 503", "sent X-Format: text/html", "sent X-Service-Name: empty", "sent X-Ingress-Name: instead", "unsent X-Original-URI",
	}},
	{"1.6 default-backend beside endpoints", "GET http://instead.test/web", nil, "", []string{"200", "to web /web"}},
	{"1.6 default-backend: missing", "GET http://insteadnone.test/", nil, "", []string{"503", "says 503 Service"}},
	{"1.6 default-backend: empty", "GET http://insteadempty.test/", nil, "", []string{"503", "says 503 Service"}},
}

// checkMirror sends a request and waits for its copy.
func (d instance) checkMirror(t *testing.T, copied <-chan heard) {
	t.Helper()
	for _, tt := range []struct {
		host string
		want heard
	}{
		{"mirror.test", heard{Method: "POST", Target: "/copy/x?y=1", Host: "copy.default.svc.cluster.local", Body: 3}},
		{"mirrorless.test", heard{Method: "POST", Target: "/x?y=1", Host: "other.test"}},
	} {
		o, err := d.ask("POST http://"+tt.host+"/x?y=1", []string{"X-One: 1"}, "abc")
		if err != nil || o.StatusCode != 200 || o.heard.Body != 3 {
			t.Fatalf("1.6 %s: %v %v", tt.host, o, err)
		}
		select {
		case h := <-copied:
			if h.Method != tt.want.Method || h.Target != tt.want.Target || h.Host != tt.want.Host || h.Body != tt.want.Body || h.Fields.Get("X-One") != "1" {
				t.Errorf("1.6 copy of %s: %+v, want %+v", tt.host, h, tt.want)
			}
		case <-time.After(30 * time.Second):
			t.Errorf("1.6 no copy of %s", tt.host)
		}
	}
}
