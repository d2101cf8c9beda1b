package policy

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"daemun/internal/ir"
)

// hundred are 99 networks and the one that "where" is in.
func hundred(where string) (list []netip.Prefix) {
	for i := range 99 {
		list = append(list, netip.MustParsePrefix(fmt.Sprintf("10.%d.0.0/16", 2*i)))
	}
	return append(list, netip.MustParsePrefix(where))
}

type noCookies struct{}

func (noCookies) Cookie(string) []byte { return nil }

// decisions are what each policy does for one request, in steady state. No
// request waits for more than one of each.
func decisions() []decision {
	now := time.Unix(1_700_000_000, 0)
	client := netip.MustParseAddr("127.0.0.1")
	state := NewState(Config{Verifier: func([]ir.User) Verifier { return &fakeVerifier{password: "secret"} }})
	cors := newCORS(&ir.CORS{Origins: []string{"https://one.test", "https://*.two.test"}, Methods: "GET", Headers: "X"})
	access := newAccess(&ir.Access{Allow: hundred("127.0.0.0/8")}, nil)
	auth := newAuth(&ir.BasicAuth{Fingerprint: fmt.Sprintf("%x", sha256.Sum256(nil)), Realm: "r"}, state)
	attempt := &Attempt{Authorization: basicField("ann", "secret"), Now: now}
	limits := newLimits(&ir.Limits{ID: "l", PerSecond: 1 << 30, Burst: 5, Connections: 100}, state)
	response := newResponse(&ir.Policies{ResponseFields: []ir.Field{{Name: "X-One", Value: "1"}, {Name: "X-Two", Value: "2"}, {Name: "X-Three", Value: "3"}}}, nil)
	names := [][]byte{[]byte("Content-Type"), []byte("Content-Length"), []byte("Date"), []byte("Server")}
	canary := NewCanary(&ir.Canary{Header: "X-Canary", Cookie: "canary", Weight: 20, Total: 100}, nil)
	cookie := CookieOfAffinity{Settings: &ir.Affinity{Name: "INGRESSCOOKIE"}, Key: []byte("0123456789abcdef0123456789abcdef"), Backend: "0123456789abcdef0123456789abcdef", Path: "/"}
	external := newExternal(&ir.ExternalAuth{URL: "http://auth.test/", Target: "/", Redirect: "$request_uri", CacheKey: "$http_cookie"}, state)
	scratch := make([]byte, 0, 512)
	random := rand.New(rand.NewPCG(1, 2))
	return []decision{
		{"cors", func() bool { return cors.Allows([]byte("https://a.two.test")) }},
		{"allow list of 100", func() bool { return access.Judge(client) == Allowed }},
		{"basic auth, warm", func() bool { return auth.Check(attempt) == AuthPassed }},
		{"limits", func() bool {
			running, verdict := limits.Enter(client, now)
			running.Leave()
			return verdict == WithinLimits
		}},
		{"three response fields", func() bool {
			for _, name := range names {
				if response.Replaces(name) {
					return false
				}
			}
			return true
		}},
		{"canary", func() bool { canary.Chooses(nil, false, noCookies{}, random.Uint64()); return true }},
		{"affinity cookie", func() bool { scratch = cookie.AppendCookie(scratch[:0]); return true }},
		{"key of a kept answer", func() bool {
			return external.Key("a.test", "/", "Prefix", attempt.Authorization) != [sha256.Size]byte{}
		}},
	}
}

type decision struct {
	name string
	once func() bool // reports what it must
}

// BenchmarkDecision is what one policy costs one request, without anything
// around it.
func BenchmarkDecision(b *testing.B) {
	for _, d := range decisions() {
		b.Run(d.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !d.once() {
					b.Fatal("decided otherwise")
				}
			}
		})
	}
}

// TestDecisionsDoNotAllocate: in steady state no policy needs memory.
func TestDecisionsDoNotAllocate(t *testing.T) {
	for _, d := range decisions() {
		t.Run(d.name, func(t *testing.T) {
			d.once()
			if n := testing.AllocsPerRun(100, func() {
				if !d.once() {
					t.Error("decided otherwise")
				}
			}); n > 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}
