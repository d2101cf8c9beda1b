package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestRulesOfTheSuiteWithSettings: annotations that need a setting of all hosts,
// as ingress-nginx's suite asks.
func TestRulesOfTheSuiteWithSettings(t *testing.T) {
	t.Parallel()
	d := rulesUp(t, bySettings,
		settings("use-forwarded-headers: true", "allow-snippet-annotations: true", "annotations-risk-level: Critical", "global-allowed-response-headers: My-Custom-Header,My-Custom-Header-Dollar"),
		"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: custom-headers}\ndata: {My-Custom-Header: \"42\", My-Custom-Header-Dollar: $remote_addr}\n",
		backends(t, "web", speaker("web")), backends(t, "asked", http.HandlerFunc(asked)),
		site("denied", "denied.test", on("denylist-source-range: 18.0.0.0/8, 56.0.0.1"), "/ Prefix web"),
		site("both", "both.test", on("denylist-source-range: 18.1.0.0/16, 56.0.0.0/8", "whitelist-source-range: 18.0.0.0/8, 55.0.0.0/8"), "/ Prefix web"),
		site("fields", "fields.test", on("custom-headers: default/custom-headers"), "/ Prefix web"),
		site("snippet", "snippet.test", on(`configuration-snippet: more_set_headers "Foo1: Bar1";`), "/ Prefix web"),
		site("authsnippet", "authsnippet.test", on(asks+"204", "auth-response-headers: X-Saw", "auth-snippet: \n\t\t\t\tproxy_set_header My-Custom-Header 42;"), "/ Prefix web"),
		site("noauth", "noauth.test", on("auth-snippet: proxy_set_header My-Custom-Header 42;"), "/ Prefix web"),
		site("except", "except.test", on("server-snippet: location = / { return 403; }", "configuration-snippet: limit_except GET { deny all; }"), "/foo Prefix web"),
	)
	d.check(t, []row{
		{"1.4 denylist-source-range: a network", "GET http://denied.test/", from("18.0.0.1"), "", []string{"403"}},
		{"1.4 denylist-source-range: an address", "GET http://denied.test/", from("56.0.0.1"), "", []string{"403"}},
		{"1.4 denylist-source-range: all others", "GET http://denied.test/", from("56.0.0.2"), "", []string{"200"}},
		{"1.4 both lists: denied", "GET http://both.test/", from("18.1.0.1"), "", []string{"403"}},
		{"1.4 both lists: in neither", "GET http://both.test/", from("10.10.10.10"), "", []string{"403"}},
		{"1.4 both lists: allowed", "GET http://both.test/", from("18.4.0.1"), "", []string{"200"}},
		{"1.4 both lists: allowed by the other", "GET http://both.test/", from("55.55.55.55"), "", []string{"200"}},
		{"1.2 custom-headers: $ is a sign like any other", "GET http://fields.test/", nil, "", []string{"200", "My-Custom-Header: 42", "My-Custom-Header-Dollar: $remote_addr"}},
		{"1.6.1 configuration-snippet", "GET http://snippet.test/", nil, "", []string{"200", "Foo1: Bar1"}},
		{"1.6.1 auth-snippet", "GET http://authsnippet.test/", nil, "", []string{"200", `says \"My-Custom-Header\":[\"42\"]`}},
		{"1.6.1 auth-snippet without auth-url", "GET http://noauth.test/", nil, "", []string{"200", "unsent My-Custom-Header"}},
		{"1.6.1 a location of a server-snippet: POST", "POST http://except.test/", nil, "", []string{"403"}},
		{"1.6.1 a location of a server-snippet: GET", "GET http://except.test/", nil, "", []string{"403"}},
		{"1.6.1 limit_except: POST", "POST http://except.test/foo", nil, "", []string{"403"}},
		{"1.6.1 limit_except: GET", "GET http://except.test/foo", nil, "", []string{"200"}},
	})
}

// from says who the client is.
func from(address string) []string { return []string{"X-Forwarded-For: " + address} }

// TestRulesOfKeptAnswers: auth-cache-key keeps answers by host and path, so that
// who was let in stays so when the service is gone.
func TestRulesOfKeptAnswers(t *testing.T) {
	t.Parallel()
	service := httptest.NewServer(http.HandlerFunc(signedIn))
	t.Cleanup(service.Close)
	kept := on(byService, signIn, "auth-cache-key: fixed", "auth-cache-duration: 200 201 401 30m")
	d := rulesUp(t, nil, backends(t, "web", speaker("web")), backendsAt("signedin", service.Listener.Addr().String()),
		site("foothis", "this.test", kept, "/foo Prefix web"), site("barthis", "this.test", kept, "/bar Prefix web"),
		site("foothat", "that.test", kept, "/foo Prefix web"), site("barthat", "that.test", kept, "/bar Prefix web"),
	)
	d.check(t, []row{
		{"1.4.1 not signed in, at the root", "GET http://this.test/?a=b&c=d", nil, "", []string{"302", "Location: http://this.test/auth/start?rd=http://this.test%2F%3Fa%3Db%26c%3Dd"}},
		{"1.4.1 signed in", "GET http://this.test/foo", []string{userPasses}, "", []string{"200"}},
	})
	service.Close()
	d.check(t, []row{
		{"1.4.1 the answer is kept", "GET http://this.test/foo", []string{userPasses}, "", []string{"200"}},
		{"1.4.1 not for another path", "GET http://this.test/bar", []string{userPasses}, "", []string{"500"}},
		{"1.4.1 not for another host", "GET http://that.test/foo", []string{userPasses}, "", []string{"500"}},
	})
}

// TestRulesOfTheAccessLog: which requests enable-access-log leaves out.
func TestRulesOfTheAccessLog(t *testing.T) {
	t.Parallel()
	d := rulesUp(t, nil, backends(t, "web", speaker("web")),
		site("quiet", "quiet.test", on("enable-access-log: false"), "/ Prefix web"), site("loud", "loud.test", nil, "/ Prefix web"))
	d.check(t, []row{
		{"1.2 enable-access-log: false", "GET http://quiet.test/seen-by-nobody", nil, "", []string{"200"}},
		{"1.2 others", "GET http://loud.test/seen-by-all", nil, "", []string{"200"}},
	})
	// One queue has both lines, so that the earlier one would be there with the later.
	d.Eventually(30*time.Second, "the line of the access log", func() error {
		if out := d.Stdout(); !strings.Contains(out, "GET /seen-by-all HTTP/1.1") {
			return fmt.Errorf("no line among %d octets", len(out))
		}
		return nil
	})
	if strings.Contains(d.Stdout(), "seen-by-nobody") {
		t.Error("1.2 enable-access-log: false is logged")
	}
}
