package proxy

import (
	"testing"

	"daemun/internal/ir"
)

// TestMaps pins that variables of maps can stand in scripts and fields, have one
// value for a request unless they are volatile, and another one for the next.
func TestMaps(t *testing.T) {
	t.Parallel()
	cfg := oneRoute(func(_ *ir.Host, r *ir.Route) {
		r.Script = does(assigns("first", "$kept"), assigns("args", "y"), gives(200, "$first $kept $fresh $none"))
		r.Fields = &ir.FieldEdits{Response: []ir.FieldEdit{{Kind: ir.EditSet, Name: "X-Kept", Value: "$kept"}}}
	})
	cfg.Settings.Maps = []ir.Map{
		{Name: "kept", Source: "$args", Default: "<$args>"}, {Name: "fresh", Source: "$args", Default: "<$args>", Volatile: true},
	}
	c := newRig(t, cfg).dial()
	for _, tt := range []struct{ target, want, field string }{{"/?x", "<x> <x> <y> ", "<x>"}, {"/?z", "<z> <z> <y> ", "<z>"}} {
		if resp, body := c.get(tt.target); body != tt.want || resp.Header.Get("X-Kept") != tt.field {
			t.Errorf("%s: %q %v", tt.target, body, resp.Header)
		}
	}
}
