package proxy

import (
	"io"
	"net/netip"
	"testing"
	"time"

	"daemun/internal/ir"
)

// BenchmarkPolicy is BenchmarkProxyGET on a route with one policy; "none" is the
// same without, in the same run.
func BenchmarkPolicy(b *testing.B) {
	plain := func(*ir.Host, *ir.Route) {}
	for _, bb := range []struct {
		name, fields string
		change       func(*ir.Host, *ir.Route)
		balance      *ir.Balance
	}{
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
		{"hash", "", plain, &ir.Balance{HashBy: "$request_uri"}},
		{"ewma", "", plain, &ir.Balance{EWMA: true}},
		{"canary", "", canaryRoute(func(c *ir.Canary) { c.Header, c.Cookie, c.Weight = "X-C", "c", 50 }), nil},
	} {
		b.Run(bb.name, func(b *testing.B) {
			cfg := oneRoute(bb.change)
			cfg.Settings.KeepAliveRequests = 1 << 30
			r := newRig(b, cfg)
			r.endpoints(newScript(b, lean).addr())
			r.upstreams.Configure(&ir.Backend{ID: backendID, Balance: bb.balance})
			r.upstreams.Update(ir.EndpointSet{Backend: canaryID, Endpoints: []ir.Endpoint{{Addr: newScript(b, lean).addr()}}})
			c := r.dial()
			_ = c.SetDeadline(time.Time{})
			request, buf := "GET /some/path?q=1 HTTP/1.1\r\nHost: a.test\r\nUser-Agent: bench\r\nAccept: */*\r\n"+bb.fields+"\r\n", make([]byte, 4096)
			b.ReportAllocs()
			before := cpu()
			for b.Loop() {
				if _, err := io.WriteString(c.Conn, request); err != nil {
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
