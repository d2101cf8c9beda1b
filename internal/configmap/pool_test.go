package configmap

import (
	"testing"

	"daemun/internal/ir"
)

// TestPoolStaysUsual without its keys: nil says so to who keeps connections.
func TestPoolStaysUsual(t *testing.T) {
	t.Parallel()
	for _, data := range []map[string]string{nil, {"upstream-keepalive-connections": "320", "keep-alive": "10"}} {
		if p := Parse(ir.Ref{}, data).Values.Settings.Pool; p != nil {
			t.Errorf("%v: %+v", data, p)
		}
	}
}
