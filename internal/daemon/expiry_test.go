package daemon

import (
	"testing"
	"time"

	"daemun/internal/ir"
)

// TestH7_7_ExpiredCertificatesAreTold: from the moment on, and no longer when there
// is a new one.
func TestH7_7_ExpiredCertificatesAreTold(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	good := &ir.Certificate{ID: "shop/good", NotAfter: now.Add(time.Hour)}
	cfg := &ir.Config{Certificates: []*ir.Certificate{good, {ID: "shop/soon", NotAfter: now.Add(90 * time.Second)}}}
	e := &expiry{config: func() *ir.Config { return cfg }, now: func() time.Time { return now }}
	if got := e.problems(); len(got) != 0 {
		t.Errorf("told early: %v", got)
	}
	now = now.Add(2 * time.Minute)
	got := e.problems()
	if len(got) != 1 || got[0].Object != (ir.Ref{Kind: "Secret", Namespace: "shop", Name: "soon"}) || got[0].Code != codeExpired {
		t.Errorf("told %v", got)
	}
	cfg = &ir.Config{Certificates: []*ir.Certificate{good}}
	if got := e.problems(); len(got) != 0 {
		t.Errorf("still told: %v", got)
	}
	now = now.Add(-24 * time.Hour) // the clock is set back
	cfg = &ir.Config{Certificates: []*ir.Certificate{{ID: "shop/soon", NotAfter: now.Add(time.Hour)}}}
	if got := e.problems(); len(got) != 0 {
		t.Errorf("told by the old time: %v", got)
	}
	cfg = nil
	if got := e.problems(); len(got) != 0 {
		t.Errorf("told of nothing: %v", got)
	}
}
