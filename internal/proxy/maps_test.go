package proxy

import (
	"fmt"
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

// TestMapsOfMaps: volatile maps that need one another twice cost a bounded
// number of look-ups, and the next request has its own.
func TestMapsOfMaps(t *testing.T) {
	t.Parallel()
	cfg := oneRoute(func(_ *ir.Host, r *ir.Route) { r.Script = does(gives(200, "$m50|$first")) })
	cfg.Settings.Maps = []ir.Map{{Name: "first", Source: "$args", Default: "<$args>"}, {Name: "m0", Volatile: true}}
	for i := range 50 {
		below := fmt.Sprint("$m", i)
		cfg.Settings.Maps = append(cfg.Settings.Maps, ir.Map{Name: fmt.Sprint("m", i+1), Default: below + below, Volatile: true})
	}
	c := newRig(t, cfg).dial()
	for range 2 {
		if _, body := c.get("/?x"); body != "|" { // nothing is left for $first
			t.Errorf("%q", body)
		}
	}
	other := *cfg
	other.Settings.Maps = cfg.Settings.Maps[:2]
	c = newRig(t, &other).dial()
	if _, body := c.get("/?x"); body != "|<x>" {
		t.Errorf("%q", body)
	}
}
