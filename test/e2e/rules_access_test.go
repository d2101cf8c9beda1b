package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// asked is a service of auth-url: the path is its verdict. The fields that it
// got come back in X-Saw.
func asked(w http.ResponseWriter, r *http.Request) {
	saw, err := json.Marshal(heard{Method: r.Method, Target: r.RequestURI, Host: r.Host, Fields: r.Header})
	if err != nil {
		return
	}
	w.Header().Set("X-Saw", string(saw))
	w.Header().Set("X-User", "ann")
	w.Header().Set("WWW-Authenticate", "Bearer")
	w.Header().Add("Set-Cookie", "sid=1")
	switch r.URL.Path {
	case "/401":
		w.WriteHeader(401)
	case "/403":
		w.WriteHeader(403)
	case "/404":
		w.WriteHeader(404)
	case "/302":
		w.WriteHeader(302)
	case "/204":
		w.WriteHeader(204)
	}
}

// users are of ann with the password "secret".
const users = `---
apiVersion: v1
kind: Secret
metadata: {name: users}
stringData: {auth: "ann:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\nplain:{PLAIN}secret\n"}
---
apiVersion: v1
kind: Secret
metadata: {name: map}
stringData: {ann: "{PLAIN}secret"}
---
apiVersion: v1
kind: Secret
metadata: {name: nokey}
stringData: {other: "ann:{PLAIN}secret"}
---
apiVersion: v1
kind: Secret
metadata: {name: garbage}
stringData: {auth: "nothing that htpasswd writes"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: tell}
data: {X-Tenant: "red-$host"}
`

const (
	annSecret = "Authorization: Basic YW5uOnNlY3JldA=="             // ann:secret
	annWrong  = "Authorization: Basic YW5uOndyb25n"                 // ann:wrong
	origin    = "Origin: https://app.test"                          //
	toMe      = "allowlist-source-range: 127.0.0.0/8"               // lets the test in
	notToMe   = "whitelist-source-range: 10.0.0.0/8,192.0.2.7"      // keeps it out
	asks      = "auth-url: http://asked.default.svc.cluster.local/" //
	basic     = "auth-type: basic"                                  //
	basicOf   = "auth-secret: users"                                //
)

// TestRulesOfAccess: passwords, services that are asked, address lists, limits,
// and what comes before what.
func TestRulesOfAccess(t *testing.T) {
	t.Parallel()
	d := rulesUp(t, nil, users,
		backends(t, "web", speaker("web")), backends(t, "asked", http.HandlerFunc(asked)), backendsAt("dead", refusing(t)),
		site("basic", "basic.test!", on(basic, basicOf, "auth-realm: Staff only", "ssl-redirect: false"), "/ Prefix web", "/.well-known/acme-challenge/t Exact web"),
		site("forced", "forced.test!", on(basic, basicOf), "/ Prefix web"),
		site("bymap", "map.test", on(basic, "auth-secret: default/map", "auth-secret-type: auth-map"), "/ Prefix web"),
		site("nosecret", "nosecret.test", on(basic, "auth-secret: none"), "/ Prefix web"),
		site("nowritten", "nowritten.test", on(basic), "/ Prefix web"),
		site("nokey", "nokey.test", on(basic, "auth-secret: nokey"), "/ Prefix web"),
		site("garbage", "garbage.test", on(basic, "auth-secret: garbage"), "/ Prefix web"),
		site("across", "across.test", on(basic, "auth-secret: other/users"), "/ Prefix web"),
		site("badtype", "badtype.test", on("auth-type: ldap", basicOf), "/ Prefix web"),
		site("any", "any.test", on(basic, basicOf, notToMe, "satisfy: any"), "/ Prefix web"),
		site("anyin", "anyin.test", on(basic, basicOf, toMe, "satisfy: any"), "/ Prefix web"),
		site("all", "all.test", on(basic, basicOf, notToMe), "/ Prefix web"),
		site("allow", "allow.test", on(toMe), "/ Prefix web"),
		site("keepout", "keepout.test", on(notToMe), "/ Prefix web"),
		site("bothlists", "bothlists.test", on(toMe, "denylist-source-range: 127.0.0.1"), "/ Prefix web"),
		site("bothnames", "bothnames.test", on(toMe, notToMe), "/ Prefix web"),
		site("badlist", "badlist.test", on("whitelist-source-range: 10.0.0.0/33"), "/ Prefix web"),
		site("emptylist", "emptylist.test", on("whitelist-source-range:  "), "/ Prefix web"),
		site("yes", "yes.test", on(asks+"204", "auth-response-headers: X-User, X-Saw, X-Gone"), "/ Prefix web", "/.well-known/acme-challenge/t Exact web"),
		site("method", "method.test", on(asks+"204", "auth-method: POST", "auth-response-headers: X-Saw", "auth-proxy-set-headers: default/tell"), "/ Prefix web"),
		site("cookies", "cookies.test", on(asks+"204", "auth-always-set-cookie: true"), "/ Prefix web"),
		site("no401", "no401.test", on(asks+"401"), "/ Prefix web"),
		site("no403", "no403.test", on(asks+"403", "auth-signin: https://login.test/"), "/ Prefix web"),
		site("no404", "no404.test", on(asks+"404"), "/ Prefix web"),
		site("no302", "no302.test", on(asks+"302"), "/ Prefix web"),
		site("gone", "gone.test", on("auth-url: http://dead.default.svc.cluster.local/"), "/ Prefix web"),
		site("nosvc", "nosvc.test", on("auth-url: http://none.default.svc.cluster.local/"), "/ Prefix web"),
		site("signin", "signin.test", on(asks+"401", "auth-signin: https://login.test/start"), "/ Prefix web"),
		site("signinq", "signinq.test", on(asks+"401", "auth-signin: https://login.test/start?a=b", "auth-signin-redirect-param: next"), "/ Prefix web"),
		site("signinrd", "signinrd.test", on(asks+"401", "auth-signin: https://$host/start?rd=$escaped_request_uri"), "/ Prefix web"),
		site("signincors", "signincors.test", on(asks+"401", "auth-signin: https://login.test/", "enable-cors: true", "cors-allow-origin: https://app.test"), "/ Prefix web"),
		site("badurl", "badurl.test", on("auth-url: nothing"), "/ Prefix web"),
		site("badchars", "badchars.test", on("auth-url: http://a.test/;x"), "/ Prefix web"),
		site("badmethod", "badmethod.test", on(asks+"204", "auth-method: FETCH"), "/ Prefix web"),
		site("badheaders", "badheaders.test", on(asks+"204", "auth-response-headers: X User"), "/ Prefix web"),
		site("badredirect", "badredirect.test", on(asks+"204", "auth-request-redirect: $host"), "/ Prefix web"),
		site("badcache", "badcache.test", on(asks+"204", "auth-cache-key: $host", "auth-cache-duration: 200 soon"), "/ Prefix web"),
		site("unitless", "unitless.test", on(asks+"204", "auth-cache-key: $host", "auth-cache-duration: 200 30"), "/ Prefix web"),
		site("badcookie", "badcookie.test", on(asks+"204", "auth-always-set-cookie: often"), "/ Prefix web"),
		site("badset", "badset.test", on(asks+"204", "auth-proxy-set-headers: default/none"), "/ Prefix web"),
		site("corsfirst", "corsfirst.test!", on(basic, basicOf, notToMe, "enable-cors: true"), "/ Prefix web"),
		site("permfirst", "permfirst.test!", on(basic, basicOf, notToMe, "permanent-redirect: https://new.test/"), "/ Prefix web"),
	)
	d.check(t, passwordRows)
	d.check(t, listRows)
	d.check(t, serviceRows)
	d.check(t, signInRows)
}

var passwordRows = []row{
	{"1.4.2 no password", "GET http://basic.test/", nil, "", []string{"401", `WWW-Authenticate: Basic realm="Staff only"`, "says 401 Authorization Required"}},
	{"1.4.2 wrong password", "GET http://basic.test/", []string{annWrong}, "", []string{"401"}},
	{"1.4.2 right password, which stays here", "GET http://basic.test/", []string{annSecret}, "", []string{"200", "to web /", "unsent Authorization"}},
	{"1.4.1 no-auth-locations", "GET http://basic.test/.well-known/acme-challenge/t", nil, "", []string{"200"}},
	{"3.1 the https redirect comes first", "GET http://forced.test/", nil, "", []string{"308"}},
	{"1.4 auth-map", "GET http://map.test/", []string{annSecret}, "", []string{"200"}},
	{"1.4 auth-map, wrong", "GET http://map.test/", []string{annWrong}, "", []string{"401", `WWW-Authenticate: Basic realm=""`}},
	{"1.4 auth-secret: missing Secret", "GET http://nosecret.test/", []string{annSecret}, "", []string{"503"}},
	{"1.4 auth-secret: not written", "GET http://nowritten.test/", nil, "", []string{"503"}},
	{"1.4 auth-secret: no key auth", "GET http://nokey.test/", []string{annSecret}, "", []string{"503"}},
	{"1.4 auth-secret: no user", "GET http://garbage.test/", []string{annSecret}, "", []string{"401"}},
	{"0 auth-secret: another namespace", "GET http://across.test/", []string{annSecret}, "", []string{"503"}},
	{"1.4 auth-type: bad", "GET http://badtype.test/", []string{annSecret}, "", []string{"404"}},
	{"1.4 satisfy any: the password", "GET http://any.test/", []string{annSecret}, "", []string{"200"}},
	{"1.4 satisfy any: neither", "GET http://any.test/", nil, "", []string{"401"}},
	{"1.4 satisfy any: the address", "GET http://anyin.test/", nil, "", []string{"200"}},
	{"1.4 satisfy all", "GET http://all.test/", []string{annSecret}, "", []string{"403"}},
}

var listRows = []row{
	{"1.4 allowlist-source-range", "GET http://allow.test/", nil, "", []string{"200"}},
	{"1.4 whitelist-source-range is the same", "GET http://keepout.test/", nil, "", []string{"403", "says 403 Forbidden"}},
	{"5.2 X-Forwarded-For does not help", "GET http://keepout.test/", []string{"X-Forwarded-For: 10.0.0.1"}, "", []string{"403"}},
	{"1.4 denylist-source-range first", "GET http://bothlists.test/", nil, "", []string{"403"}},
	{"0 the name wins over its alias", "GET http://bothnames.test/", nil, "", []string{"200"}},
	{"1.4 a bad list closes", "GET http://badlist.test/", nil, "", []string{"503"}},
	{"0 an empty value is none", "GET http://emptylist.test/", nil, "", []string{"200"}},
	{"14.5 preflights pass all guards", "OPTIONS http://corsfirst.test/", []string{origin}, "", []string{"204", "Access-Control-Allow-Origin: *"}},
	{"14.5 others do not", "GET https://corsfirst.test/", []string{origin}, "", []string{"403", "Access-Control-Allow-Origin: *"}},
	{"14.5 permanent-redirect passes all guards", "GET http://permfirst.test/", nil, "", []string{"301"}},
}

var serviceRows = []row{
	{"1.4.1 the answer's fields go on", "POST http://yes.test/x?y=1", []string{"X-User: mallory", "X-Gone: mallory", "Content-Type: text/plain", "Cookie: a=b", "X-Forwarded-Proto: https"}, "abc", []string{
		"200", "to web /x?y=1", "sent X-User: ann", "unsent X-Gone", "sent Content-Length: 3",
		`says {\"Service\":\"\",\"Method\":\"GET\",\"Target\":\"/204\",\"Host\":\"asked.default.svc.cluster.local\"`,
		`says \"X-Original-Url\":[\"http://yes.test/x?y=1\"]`, `says \"X-Original-Method\":[\"POST\"]`, `says \"X-Sent-From\":[\"nginx-ingress-controller\"]`,
		`says \"X-Real-Ip\":[\"127.0.0.1\"]`, `says \"X-Forwarded-For\":[\"127.0.0.1\"]`, `says \"X-Auth-Request-Redirect\":[\"/x?y=1\"]`, `says \"Cookie\":[\"a=b\"]`, `says \"Content-Type\":[\"text/plain\"]`,
		"Set-Cookie: sid=1",
	}},
	{"1.4.1 auth-method, auth-proxy-set-headers", "GET http://method.test/x", nil, "", []string{
		"200", `says \"Method\":\"POST\"`, `says \"X-Original-Uri\":[\"/x\"]`, `says \"X-Scheme\":[\"http\"]`, `says \"X-Tenant\":[\"red-method.test\"]`,
	}},
	{"1.4.1 no-auth-locations", "GET http://yes.test/.well-known/acme-challenge/t", []string{"X-User: mallory"}, "", []string{"200", "sent X-User: mallory"}},
	{"1.4.1 cookies by status", "GET http://yes.test/?status=404", nil, "", []string{"404", "no Set-Cookie"}},
	{"1.4.1 auth-always-set-cookie", "GET http://cookies.test/?status=404", nil, "", []string{"404", "Set-Cookie: sid=1"}},
	{"1.4.1 401 keeps the challenge", "GET http://no401.test/", nil, "", []string{"401", "WWW-Authenticate: Bearer", "no Set-Cookie"}},
	{"1.4.1 403 is no sign-in", "GET http://no403.test/", nil, "", []string{"403", "no Location"}},
	{"1.4.1 404 is 500", "GET http://no404.test/", nil, "", []string{"500", "says 500 Internal Server Error"}},
	{"1.4.1 302 is 500", "GET http://no302.test/", nil, "", []string{"500"}},
	{"1.4.1 unreachable is 500", "GET http://gone.test/", nil, "", []string{"500"}},
	{"1.4.1 no such Service is 500", "GET http://nosvc.test/", nil, "", []string{"500"}},
	{"1.4 auth-url: bad", "GET http://badurl.test/", nil, "", []string{"503"}},
	{"1.4 auth-url: bad characters", "GET http://badchars.test/", nil, "", []string{"404"}},
	{"1.4 auth-method: bad", "GET http://badmethod.test/", nil, "", []string{"503"}},
	{"1.4 auth-response-headers: bad", "GET http://badheaders.test/", nil, "", []string{"503"}},
	{"1.4 auth-request-redirect: bad", "GET http://badredirect.test/", nil, "", []string{"503"}},
	{"1.4 auth-cache-duration: bad", "GET http://badcache.test/", nil, "", []string{"503"}},
	{"1.4 auth-cache-duration: no unit", "GET http://unitless.test/", nil, "", []string{"503"}},
	{"1.4 auth-always-set-cookie: bad", "GET http://badcookie.test/", nil, "", []string{"503"}},
	{"1.4 auth-proxy-set-headers: missing", "GET http://badset.test/", nil, "", []string{"503"}},
}

var signInRows = []row{
	{"1.4.1 auth-signin", "GET http://signin.test/?a=b", nil, "", []string{"302", "Location: https://login.test/start?rd=http://signin.test%2F%3Fa%3Db", "Set-Cookie: sid=1", "no WWW-Authenticate"}},
	{"1.4.1 auth-signin of strangers' scheme", "GET http://signin.test/", []string{"X-Forwarded-Proto: https"}, "", []string{"302", "Location: https://login.test/start?rd=http://signin.test%2F"}},
	{"1.4.1 auth-signin-redirect-param", "GET http://signinq.test/x", nil, "", []string{"302", "Location: https://login.test/start?a=b&next=http://signinq.test%2Fx"}},
	{"1.4.1 auth-signin with its parameter", "GET http://signinrd.test/x?y", nil, "", []string{"302", "Location: https://signinrd.test/start?rd=%2Fx%3Fy"}},
	{"1.4.1 auth-signin has the fields of CORS", "GET http://signincors.test/", []string{origin}, "", []string{"302", "Access-Control-Allow-Origin: https://app.test"}},
	{"1.4.1 401 of a backend is not a sign-in", "GET http://yes.test/?status=401", nil, "", []string{"401", "no Location"}},
}

// TestRulesOfLimits: how many requests, and how many at one time.
func TestRulesOfLimits(t *testing.T) {
	t.Parallel()
	held, release := make(chan struct{}), make(chan struct{})
	d := rulesUp(t, nil, users, backends(t, "web", speaker("web")),
		backends(t, "slow", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/hold" {
				held <- struct{}{}
				<-release
			}
		})),
		site("rpm", "rpm.test", on("limit-rpm: 1"), "/ Prefix web", "/b Prefix web"),
		site("once", "once.test", on("limit-rpm: 1", "limit-burst-multiplier: 1", basic, basicOf), "/ Prefix web"),
		site("implicit", "under.test", on("limit-rpm: 1", "limit-burst-multiplier: 0"), "/x Prefix web"),
		site("exempt", "exempt.test", on("limit-rpm: 1", "limit-whitelist: 127.0.0.0/8"), "/ Prefix web"),
		site("off", "off.test", on("limit-rpm: 0"), "/ Prefix web"),
		site("bad", "bad.test", on("limit-rps: many"), "/ Prefix web"),
		site("running", "running.test", on("limit-connections: 1"), "/ Prefix slow"),
	)
	count := func(ask string, fields ...string) (passed, limited int, last *outcome) {
		for range 12 {
			o, err := d.ask(ask, fields, "")
			if err != nil {
				t.Fatal(err)
			}
			if last = o; o.StatusCode == 503 {
				limited++
			} else {
				passed++
			}
		}
		return passed, limited, last
	}
	// One leaks out a minute, so that a slow machine may let one more pass.
	for _, tt := range []struct {
		rule, ask   string
		least, most int
	}{
		{"5.7 one and the burst of five", "GET http://rpm.test/", 6, 7},
		{"5.7 all paths share the count", "GET http://rpm.test/b", 0, 1},
		{"5.7 before authentication", "GET http://once.test/", 2, 3},
		{"15.11 the implicit root shares it", "GET http://under.test/none", 1, 2},
		{"1.4 limit-whitelist", "GET http://exempt.test/", 12, 12},
		{"1.4 0 is off", "GET http://off.test/", 12, 12},
	} {
		if passed, _, _ := count(tt.ask); passed < tt.least || passed > tt.most {
			t.Errorf("%s: %d passed, want %d to %d", tt.rule, passed, tt.least, tt.most)
		}
	}
	if o, err := d.ask("GET http://bad.test/", nil, ""); err != nil || o.StatusCode != 404 {
		t.Errorf("1.4 limit-rps, bad: %v %v", o, err)
	}
	d.limitsRunning(t, held, release)
}

// limitsRunning holds a request open and asks beside it.
func (d instance) limitsRunning(t *testing.T, held <-chan struct{}, release chan<- struct{}) {
	c, err := net.Dial("tcp", d.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, requestText("GET", "running.test", "/hold", nil, "")); err != nil {
		t.Fatal(err)
	}
	<-held
	if o, err := d.ask("GET http://running.test/", nil, ""); err != nil || o.StatusCode != 503 {
		t.Errorf("5.7 limit-connections: %v %v", o, err)
	}
	release <- struct{}{}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("the request that was held: %v %v", resp, err)
	}
	_ = resp.Body.Close()
	d.Eventually(30*time.Second, "5.7 room again", func() error {
		o, err := d.ask("GET http://running.test/", nil, "")
		if err == nil && o.StatusCode != 200 {
			err = net.ErrClosed
		}
		return err
	})
}
