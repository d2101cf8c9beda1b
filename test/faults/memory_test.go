package faults

import (
	"fmt"
	"testing"

	"daemun/internal/daemuntest"
)

// TestMemoryIsShort: with far less memory than it needs the program turns
// clients away, tells so, and answers its operator.
func TestMemoryIsShort(t *testing.T) {
	t.Parallel()
	l := &lab{T: t, admin: newAdmin(t)}
	l.d = daemuntest.Up(t, daemuntest.Options{Bin: bin, Env: []string{"GOMEMLIMIT=2MiB"}}, map[string]string{"routes.yaml": fmt.Sprintf(routes, 1)})
	daemuntest.Eventually(t, patience, "load is shed", func() error {
		if step := l.metric(t, "daemun_overload_step"); step != 3 {
			return fmt.Errorf("step %v", step)
		}
		return nil
	})
	refused := l.metric(t, "daemun_connections_refused_total")
	for range 3 {
		c := l.dial(t)
		c.send(get("moved.test", "/", ""))
		if status, _, err := c.answer(); err == nil {
			t.Errorf("answered %d", status)
		}
	}
	l.risen(t, "daemun_connections_refused_total", refused)
	if limit := l.metric(t, "daemun_memory_limit_bytes"); limit != 2<<20 {
		t.Errorf("the limit is told as %v", limit)
	}
}
