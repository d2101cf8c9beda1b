package table

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"daemun/internal/ir"
)

func TestCompileTakesOverEqualHosts(t *testing.T) {
	t.Parallel()
	config := func(hosts ...*ir.Host) *ir.Config { return &ir.Config{Hosts: hosts} }
	fake := newFakeHandles()
	a, b, all := plainHost("a.test", prefix("/")), plainHost("b.test", prefix("/x"), prefix("/")), plainHost("", prefix("/"))
	first := Compile(nil, 1, config(all, a, b), fake.handles())
	if fake.routes != 4 {
		t.Fatalf("first table asked for %d route handles, want 4", fake.routes)
	}

	// The same pointer, an equal copy, and a changed host.
	changed := plainHost("b.test", prefix("/y"), prefix("/"))
	second := Compile(first, 2, config(all, plainHost("a.test", prefix("/")), changed), fake.handles())
	if fake.routes != 6 {
		t.Errorf("second table asked for %d route handles, want 2", fake.routes-4)
	}
	if second.Revision != 2 || second.hosts[0] != first.hosts[0] || second.hosts[1] != first.hosts[1] || second.hosts[2] == first.hosts[2] {
		t.Error("second table must share the first two hosts and not the third")
	}
	if second.names != first.names {
		t.Error("the same names must share their index")
	}
	if got := resolve(second, "b.test", "/y"); got != "b.test: Prefix /y" {
		t.Errorf("changed host: %s", got)
	}
	if got := resolve(first, "b.test", "/x"); got != "b.test: Prefix /x" {
		t.Errorf("the old table changed: %s", got)
	}

	// A host in front moves the others, another goes away.
	third := Compile(second, 3, config(all, plainHost("0.test", prefix("/")), a), fake.handles())
	if fake.routes != 7 {
		t.Errorf("third table asked for %d route handles, want 1", fake.routes-6)
	}
	if third.hosts[2] != first.hosts[1] {
		t.Error("a host that moved must be shared")
	}
	if got := resolve(third, "b.test", "/y"); got != "_: Prefix /" {
		t.Errorf("removed host: %s", got)
	}

	// Only an alias changes.
	aliased := plainHost("a.test", prefix("/"))
	aliased.Aliases = []string{"c.test"}
	fourth := Compile(third, 4, config(all, third.hosts[1].IR, aliased), fake.handles())
	if got := resolve(fourth, "c.test", "/"); got != "a.test: Prefix /" {
		t.Errorf("new alias: %s", got)
	}
}

func TestCompileResolvesHandles(t *testing.T) {
	t.Parallel()
	fake := newFakeHandles()
	r := prefix("/")
	r.Backend, r.FallbackBackend = "ns/a/80", "ns/b/80"
	none := prefix("/none")
	none.Backend = ""
	tab := Compile(nil, 1, &ir.Config{Hosts: []*ir.Host{plainHost("", r, none)}}, fake.handles())
	routes := tab.hosts[0].Routes()
	if routes[0].Backend != fake.backends["ns/a/80"] || routes[0].Fallback != fake.backends["ns/b/80"] || routes[0].Metrics == nil {
		t.Errorf("handles of the route: %+v", routes[0])
	}
	if routes[1].Backend != nil || routes[1].Fallback != nil {
		t.Errorf("a route without a backend has handles: %+v", routes[1])
	}
	if len(fake.backends) != 2 {
		t.Errorf("%d backends were asked for, want 2", len(fake.backends))
	}
}

func TestHSTS(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]ir.HSTS{
		"":                                       {MaxAge: 1, IncludeSubdomains: true},
		"max-age=31536000; includeSubDomains":    ir.DefaultSettings().HSTS,
		"max-age=60; includeSubDomains; preload": {Enabled: true, MaxAge: 60, IncludeSubdomains: true, Preload: true},
		"max-age=0":                              {Enabled: true},
	} {
		if got := Compile(nil, 1, &ir.Config{Settings: ir.Settings{HSTS: s}}, newFakeHandles().handles()).HSTS; got != want {
			t.Errorf("HSTS of %+v = %q, want %q", s, got, want)
		}
	}
}

func TestHostsAreInOrder(t *testing.T) {
	t.Parallel()
	tab := compile(t, plainHost("", prefix("/")), plainHost("*.a.test", prefix("/")), plainHost("a.test", prefix("/b"), prefix("/")))
	var got []string
	for h := range tab.Hosts() {
		for _, r := range h.Routes() {
			got = append(got, h.IR.Name+r.IR.Pattern)
		}
	}
	if want := []string{"/", "*.a.test/", "a.test/b", "a.test/"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for range tab.Hosts() {
		break // must not go on
	}
}

// equalHost is written by hand; this finds a field that it does not look at.
func TestEqualHostSeesEveryField(t *testing.T) {
	t.Parallel()
	fill := func() *ir.Host {
		h := &ir.Host{}
		visit(reflect.ValueOf(h).Elem(), "Host", func(_ string, v reflect.Value) { change(v) })
		return h
	}
	if !equalHost(fill(), fill()) {
		t.Fatal("equal hosts differ")
	}
	var fields []string
	visit(reflect.ValueOf(fill()).Elem(), "Host", func(name string, _ reflect.Value) { fields = append(fields, name) })
	if len(fields) < 30 {
		t.Fatalf("only %d fields were found: %q", len(fields), fields)
	}
	for i, name := range fields {
		b, n := fill(), 0
		visit(reflect.ValueOf(b).Elem(), "Host", func(_ string, v reflect.Value) {
			if n == i {
				change(v)
			}
			n++
		})
		if equalHost(fill(), b) {
			t.Errorf("equalHost does not see a change of %s", name)
		}
	}
	bare := fill()
	bare.Routes[0].Rewrite = nil
	if equalHost(fill(), bare) || equalHost(bare, fill()) {
		t.Error("equalHost does not see a missing pointer")
	}
}

// visit calls f for every field below v that is no struct, filling nil
// pointers and empty slices so that it reaches what they hold.
func visit(v reflect.Value, name string, f func(string, reflect.Value)) {
	if v.Type() == reflect.TypeFor[netip.Prefix]() {
		f(name, v)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			visit(v.Field(i), name+"."+v.Type().Field(i).Name, f)
		}
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		visit(v.Elem(), name, f)
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[[]*ir.Location]() && strings.Contains(name, ".Locations[0]") {
			return // locations hold none
		}
		if v.Len() == 0 {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		}
		visit(v.Index(0), name+"[0]", f)
	default:
		f(name, v)
	}
}

func change(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + int64(time.Second))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		v.SetUint(v.Uint() + 1)
	case reflect.Struct:
		p := v.Addr().Interface().(*netip.Prefix)
		*p = netip.PrefixFrom(netip.IPv4Unspecified(), p.Bits()+2)
	default:
		panic(fmt.Sprintf("no change for a %s", v.Type()))
	}
}
