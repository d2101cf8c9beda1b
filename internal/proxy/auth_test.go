package proxy

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"daemun/internal/ir"
	"daemun/internal/policy"
)

// plainVerifier takes the hash of a user for the password, and counts.
type plainVerifier struct {
	users []ir.User
	asked *atomic.Int64
}

func (v plainVerifier) Verify(user, password string) bool {
	v.asked.Add(1)
	for _, u := range v.users {
		if u.Name == user {
			return u.Hash == password
		}
	}
	return false
}

func slowVerifier(users []ir.User) policy.Verifier {
	return plainVerifier{users, new(atomic.Int64)}
}

func basicAuth(_ *ir.Host, r *ir.Route) {
	r.BasicAuth = &ir.BasicAuth{Realm: `Staff "only"`, Fingerprint: "1", Users: []ir.User{{Name: "ann", Hash: "se:cret"}}}
}

func basicHeader(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password)) + "\r\n"
}

// TestBasicAuth pins §1.4.2 on the wire.
func TestBasicAuth(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, fields string
		status       int
	}{
		{"nothing", "", 401},
		{"right", basicHeader("ann", "se:cret"), 200},
		{"right in lower case", "authorization: basic " + base64.StdEncoding.EncodeToString([]byte("ann:se:cret")) + "\r\n", 200},
		{"wrong password", basicHeader("ann", "secret"), 401},
		{"wrong user", basicHeader("bob", "se:cret"), 401},
		{"no colon", "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("ann")) + "\r\n", 401},
		{"no base64", "Authorization: Basic ann:se:cret\r\n", 401},
		{"another scheme", "Authorization: Bearer x\r\n", 401},
		{"too long", basicHeader("ann", strings.Repeat("x", 2000)), 401},
		{"two", basicHeader("ann", "wrong") + basicHeader("ann", "se:cret"), 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, _ := up(t, answering(ok), basicAuth)
			c := r.dial()
			c.send("GET / HTTP/1.1\r\nHost: a.test\r\n" + tt.fields + "\r\n")
			resp, body := c.answer("GET")
			if resp.StatusCode != tt.status {
				t.Errorf("status %d, want %d", resp.StatusCode, tt.status)
			}
			want := ""
			if tt.status == 401 {
				want = `Basic realm="Staff \"only\""`
				if !strings.Contains(body, "401 Authorization Required") {
					t.Errorf("page %q", body)
				}
			}
			if got := resp.Header.Get("WWW-Authenticate"); got != want {
				t.Errorf("challenge %q, want %q", got, want)
			}
			c.send("GET / HTTP/1.1\r\nHost: a.test\r\n" + basicHeader("ann", "se:cret") + "\r\n")
			if resp, _ := c.answer("GET"); resp.StatusCode != 200 || resp.Header.Get("WWW-Authenticate") != "" {
				t.Errorf("the next request gets %d %v", resp.StatusCode, resp.Header)
			}
		})
	}
}

// TestCredentialsStayHere: the backend does not see what was for us.
func TestCredentialsStayHere(t *testing.T) {
	t.Parallel()
	heads := make(chan string, 1)
	r, _ := up(t, func(_ int, c *client) {
		heads <- c.head()
		_, _ = io.WriteString(c, ok)
	}, basicAuth)
	c := r.dial()
	c.send("GET / HTTP/1.1\r\nHost: a.test\r\n" + basicHeader("ann", "se:cret") + "\r\n")
	c.answer("GET")
	if head := <-heads; strings.Contains(head, "uthorization") {
		t.Errorf("the backend got %q", head)
	}
}

// TestSatisfy pins all and any, for each pair of outcomes.
func TestSatisfy(t *testing.T) {
	t.Parallel()
	const inside, outside = "10.1.1.1:5", "11.1.1.1:5"
	right, wrong := basicHeader("ann", "se:cret"), basicHeader("ann", "x")
	for _, tt := range []struct {
		name           string
		any, denyOnly  bool
		remote, fields string
		status         int
	}{
		{"all, both", false, false, inside, right, 200},
		{"all, address only", false, false, inside, wrong, 401},
		{"all, password only", false, false, outside, right, 403},
		{"all, none", false, false, outside, wrong, 403},
		{"any, both", true, false, inside, right, 200},
		{"any, address only", true, false, inside, wrong, 200},
		{"any, password only", true, false, outside, right, 200},
		{"any, none", true, false, outside, wrong, 401},
		{"any, not denied is not allowed", true, true, outside, wrong, 401},
		{"any, denied with password", true, true, inside, right, 200},
		{"any, denied without", true, true, inside, wrong, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, _ := up(t, answering(ok), func(h *ir.Host, r *ir.Route) {
				basicAuth(h, r)
				networks := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
				if r.Access = (&ir.Access{Allow: networks}); tt.denyOnly {
					r.Access = &ir.Access{Deny: networks}
				}
				r.SatisfyAny = tt.any
			})
			r.remote.Store(&tt.remote)
			c := r.dial()
			c.send("GET / HTTP/1.1\r\nHost: a.test\r\n" + tt.fields + "\r\n")
			if resp, _ := c.answer("GET"); resp.StatusCode != tt.status {
				t.Errorf("status %d, want %d", resp.StatusCode, tt.status)
			}
		})
	}
}

var nonceOf = regexp.MustCompile(`nonce="([^"]+)"`)

func md5hex(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// digestHeader answers a challenge as RFC 7616 §3.4.1 says.
func digestHeader(resp *http.Response, password, uri, nc string) string {
	nonce := nonceOf.FindStringSubmatch(resp.Header.Get("WWW-Authenticate"))[1]
	ha1, ha2 := md5hex("ann:staff:"+password), md5hex("GET:"+uri)
	answer := md5hex(ha1 + ":" + nonce + ":" + nc + ":cn:auth:" + ha2)
	return `Authorization: Digest username="ann", realm="staff", nonce="` + nonce + `", uri="` + uri +
		`", qop=auth, nc=` + nc + `, cnonce="cn", response="` + answer + "\", algorithm=MD5\r\n"
}

func TestDigestAuth(t *testing.T) {
	t.Parallel()
	r, _ := up(t, answering(ok), func(_ *ir.Host, r *ir.Route) {
		r.BasicAuth = &ir.BasicAuth{Realm: "staff", Digest: true, Users: []ir.User{{Name: "ann", Hash: "staff:" + md5hex("ann:staff:secret")}}}
	})
	c := r.dial()
	ask := func(fields string) *http.Response {
		c.send("GET /x?y=1 HTTP/1.1\r\nHost: a.test\r\n" + fields + "\r\n")
		resp, _ := c.answer("GET")
		return resp
	}
	challenge := ask("")
	if challenge.StatusCode != 401 || !strings.HasPrefix(challenge.Header.Get("WWW-Authenticate"), `Digest algorithm="MD5", qop="auth", realm="staff", nonce="`) {
		t.Fatalf("%d %q", challenge.StatusCode, challenge.Header.Get("WWW-Authenticate"))
	}
	for _, tt := range []struct {
		name, fields string
		status       int
		stale        bool
	}{
		{"right", digestHeader(challenge, "secret", "/x?y=1", "00000001"), 200, false},
		{"replay", digestHeader(challenge, "secret", "/x?y=1", "00000001"), 401, true},
		{"next count", digestHeader(challenge, "secret", "/x?y=1", "00000003"), 200, false},
		{"overtaken count", digestHeader(challenge, "secret", "/x?y=1", "00000002"), 200, false},
		{"wrong password", digestHeader(challenge, "x", "/x?y=1", "00000004"), 401, false},
		{"for another path", digestHeader(challenge, "secret", "/z", "00000005"), 401, false},
		{"basic", basicHeader("ann", "secret"), 401, false},
		{"made-up nonce", strings.Replace(digestHeader(challenge, "secret", "/x?y=1", "00000006"), "nonce=\"", "nonce=\"A", 1), 401, false},
	} {
		resp := ask(tt.fields)
		if stale := strings.Contains(resp.Header.Get("WWW-Authenticate"), "stale=true"); resp.StatusCode != tt.status || stale != tt.stale {
			t.Errorf("%s: %d, stale %v; want %d, %v", tt.name, resp.StatusCode, stale, tt.status, tt.stale)
		}
	}
}

// TestAuthAllocs pins that credentials that passed before cost no allocation,
// and no second check.
func TestAuthAllocs(t *testing.T) {
	asked := new(atomic.Int64)
	cfg := oneRoute(basicAuth)
	cfg.Settings.KeepAliveRequests = 1 << 30
	r := newRig(t, cfg)
	r.policies = policy.NewState(policy.Config{Verifier: func(users []ir.User) policy.Verifier { return plainVerifier{users, asked} }})
	r.tables.Store(nil)
	r.publish()
	r.endpoints(newScript(t, lean).addr())
	noAllocs(t, r, "GET /x HTTP/1.1\r\nHost: a.test\r\n"+basicHeader("ann", "se:cret")+"\r\n")
	if n := asked.Load(); n != 1 {
		t.Errorf("the password was checked %d times", n)
	}
}
