package proxy

import (
	"net/netip"
	"testing"

	"daemun/internal/ir"
	"daemun/internal/policy"
)

type fakePlaces struct{}

func (fakePlaces) AppendPlace(b []byte, addr netip.Addr, name string) []byte {
	return append(b, addr.String()+" "+name...)
}

// TestPlaceVariables: texts with variables have what databases say about the
// client.
func TestPlaceVariables(t *testing.T) {
	t.Parallel()
	rules := &fakeRules{}
	r := newRigWith(t, oneRoute(nil), Config{Places: fakePlaces{}}, nil)
	r.policies = policy.NewState(policy.Config{Rules: func(string) policy.Rules { return rules }})
	r.config = oneRoute(func(_ *ir.Host, r *ir.Route) { r.Firewall = &ir.Firewall{TransactionID: "$geoip2_city_country_code"} })
	r.publish()
	r.endpoints(newScript(t, answering(ok)).addr())
	r.dial().get("/")
	if id := *rules.ids.Load(); id != "127.0.0.1 city_country_code" {
		t.Errorf("value %q", id)
	}
}
