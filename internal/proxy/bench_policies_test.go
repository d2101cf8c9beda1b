package proxy

import (
	"net/netip"
	"testing"
	"time"

	"daemun/internal/ir"
)

// policyCase is a route with one policy, and what a request for it brings.
type policyCase struct {
	name, fields string
	change       func(*ir.Host, *ir.Route)
	balance      *ir.Balance
}

// policyCases begin with a route that has none.
func policyCases() []policyCase {
	plain := func(*ir.Host, *ir.Route) {}
	asks := func(change func(*ir.ExternalAuth)) func(*ir.Host, *ir.Route) {
		return func(_ *ir.Host, r *ir.Route) {
			r.ExternalAuth = &ir.ExternalAuth{Backend: authID, Host: "auth.test", Target: "/check", SignInParam: "rd", Redirect: "$request_uri"}
			if change != nil {
				change(r.ExternalAuth)
			}
		}
	}
	return []policyCase{
		{"none", "", plain, nil},
		{"cors", "Origin: https://x.b.test\r\n", func(_ *ir.Host, r *ir.Route) { r.CORS = corsPolicy("https://*.b.test") }, nil},
		{"allow-list", "", func(_ *ir.Host, r *ir.Route) {
			r.Access = &ir.Access{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
		}, nil},
		{"fields", "", func(_ *ir.Host, r *ir.Route) {
			r.ResponseFields = []ir.Field{{Name: "X-One", Value: "1"}, {Name: "X-Two", Value: "2"}}
		}, nil},
		{"basic-auth", basicHeader("ann", "se:cret"), basicAuth, nil},
		{"limits", "", limited(func(l *ir.Limits) { l.PerSecond, l.Connections = 1<<30, 100 }), nil},
		{"affinity", "Cookie: INGRESSCOOKIE=x\r\n", setsAffinity, affinity(nil)},
		{"affinity-new", "", setsAffinity, affinity(nil)},
		{"hash", "", plain, &ir.Balance{HashBy: "$request_uri"}},
		{"ewma", "", plain, &ir.Balance{EWMA: true}},
		{"canary", "", canaryRoute(func(c *ir.Canary) { c.Header, c.Cookie, c.Weight = "X-C", "c", 50 }), nil},
		{"external", "", asks(nil), nil},
		{"external-kept", "Authorization: x\r\n", asks(func(e *ir.ExternalAuth) {
			e.CacheKey, e.CacheFor = "$http_authorization", []ir.CacheFor{{For: ir.Duration(time.Hour)}}
		}), nil},
	}
}

// begin starts a server with the policy and returns a client and its request.
func (p *policyCase) begin(t testing.TB) (r *rig, c *client, request string) {
	cfg := oneRoute(p.change)
	cfg.Settings.KeepAliveRequests = 1 << 30
	r = newRig(t, cfg)
	r.endpoints(newScript(t, lean).addr())
	r.upstreams.Configure(&ir.Backend{ID: backendID, Balance: p.balance})
	for _, id := range []ir.BackendID{canaryID, authID} {
		r.upstreams.Update(ir.EndpointSet{Backend: id, Endpoints: []ir.Endpoint{{Addr: newScript(t, lean).addr()}}})
	}
	c = r.dial()
	_ = c.SetDeadline(time.Time{})
	return r, c, "GET /some/path?q=1 HTTP/1.1\r\nHost: a.test\r\nUser-Agent: bench\r\nAccept: */*\r\n" + p.fields + "\r\n"
}

// BenchmarkPolicy is BenchmarkProxyGET on a route with one policy; "none" is the
// same without, in the same run.
func BenchmarkPolicy(b *testing.B) {
	for _, p := range policyCases() {
		b.Run(p.name, func(b *testing.B) {
			_, c, request := p.begin(b)
			octets, buf := []byte(request), make([]byte, 4096)
			b.ReportAllocs()
			before := cpu()
			for b.Loop() {
				if _, err := c.Conn.Write(octets); err != nil {
					b.Fatal(err)
				}
				if _, err := c.Conn.Read(buf); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpu()-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}

// TestPoliciesDoNotAllocate: no policy needs memory for a request that passes,
// a service that is asked about it included.
func TestPoliciesDoNotAllocate(t *testing.T) {
	for _, p := range policyCases() {
		t.Run(p.name, func(t *testing.T) {
			r, _, request := p.begin(t)
			noAllocs(t, r, request)
		})
	}
}
