package explain_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"daemun/internal/explain"
)

// TestAsker: who asks decides, where the question says who that is.
func TestAsker(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "m.yaml")
	text := objects() +
		ing("web", "a.test", `whitelist-source-range: "10.0.0.0/8"; enable-cors: "true"`, "/ Prefix a") +
		ing("main", "b.test", "", "/ Prefix a") +
		ing("next", "b.test", `canary: "true"; canary-by-header: X-Next; canary-weight: "20"`, "/ Prefix b") +
		ing("shut", "c.test", `auth-type: basic; auth-secret: users`, "/ Prefix a") +
		"---\napiVersion: v1\nkind: Secret\nmetadata: {name: users}\nstringData: {auth: \"u:$apr1$x$y\"}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	in := inspect(t, file)
	for _, c := range []struct {
		name string
		ask  explain.Request
		want string
	}{
		{"nobody in particular", explain.Request{URL: "a.test/x"}, "forwarded to default/a/80"},
		{"listed client", explain.Request{URL: "a.test/x", Client: "10.1.2.3"}, "forwarded to default/a/80"},
		{"other client", explain.Request{URL: "a.test/x", Client: "192.0.2.1"}, "403: the address lists of the route refuse the client 192.0.2.1"},
		{"preflight", explain.Request{URL: "a.test/x", Method: "OPTIONS", Headers: http.Header{"Origin": {"http://b"}}}, "204 from Daemun itself"},
		{"canary by weight", explain.Request{URL: "b.test/"}, "forwarded to default/a/80 as /: or, for 20 of 100 such requests, to the canary default/b/80"},
		{"canary by header", explain.Request{URL: "b.test/", Headers: http.Header{"X-Next": {"always"}}}, "forwarded to default/b/80 as /: the canary"},
		{"not the canary", explain.Request{URL: "b.test/", Headers: http.Header{"X-Next": {"never"}}}, "forwarded to default/a/80 as /"},
		{"no password", explain.Request{URL: "c.test/", Client: "192.0.2.1"}, "401: "},
		{"a password", explain.Request{URL: "c.test/", Headers: http.Header{"Authorization": {"Basic dTpw"}}}, "forwarded to default/a/80"},
	} {
		a, err := in.Explain(c.ask)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(a.Result, c.want) || c.name == "not the canary" && a.Result != c.want {
			t.Errorf("%s: %s", c.name, a.Result)
		}
	}
	if _, err := in.Explain(explain.Request{URL: "a.test", Client: "me"}); err == nil || err.Error() != `client "me": want an IP address` {
		t.Error(err)
	}
	if _, err := explain.ParseHeaders([]string{"a b: c"}); err == nil {
		t.Error("a header with a blank in its name")
	}
}
