package proxy

import (
	"net/netip"
	"testing"

	"daemun/internal/ir"
)

// TestRefusedAsksNoService: whom another guard has refused the service is not asked
// about, unless one guard is enough; it is asked after them, and its verdict counts.
func TestRefusedAsksNoService(t *testing.T) {
	t.Parallel()
	const deny = "HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n"
	list := func(_ *ir.ExternalAuth, r *ir.Route) {
		r.Access = &ir.Access{Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	}
	password := func(_ *ir.ExternalAuth, r *ir.Route) { basicAuth(nil, r) }
	anyOf := func(guard func(*ir.ExternalAuth, *ir.Route)) func(*ir.ExternalAuth, *ir.Route) {
		return func(e *ir.ExternalAuth, r *ir.Route) { guard(e, r); r.SatisfyAny = true }
	}
	for _, tt := range []struct {
		name   string
		guard  func(*ir.ExternalAuth, *ir.Route)
		answer string
		status int
		asked  int
	}{
		{"list", list, ok, 403, 0},
		{"list, the service would refuse", list, deny, 403, 0},
		{"password", password, ok, 401, 0},
		{"list or the service", anyOf(list), ok, 200, 1},
		{"list or the service, which refuses", anyOf(list), deny, 401, 1},
		{"password or the service", anyOf(password), ok, 200, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := newAsked(t, always(tt.answer), tt.guard)
			if resp, _ := a.dial().get("/"); resp.StatusCode != tt.status || len(a.toService) != tt.asked {
				t.Errorf("%d after %d questions, want %d after %d", resp.StatusCode, len(a.toService), tt.status, tt.asked)
			}
		})
	}
}
