package listen

import (
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"daemun/internal/ir"
)

// TestFollowEqualsBuild changes hosts at random: certificates that follow must
// be those that are made of the whole configuration.
func TestFollowEqualsBuild(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
	certificates := []*ir.Certificate{{ID: "a", Fingerprint: "a", Names: []string{"*.test"}}, {ID: "b", Fingerprint: "b", Names: []string{"b.test"}}}
	known := NewCertificates()
	fresh := NewCertificates()
	hosts := map[string]*ir.Host{"": {}}
	followed := 0
	for range 300 {
		name := pick("a.test", "b.test", "*.test", "c.b.test", "d.test")
		switch rnd.IntN(8) {
		case 0, 1:
			delete(hosts, name)
		case 2:
			hosts[name] = &ir.Host{Name: name, Aliases: []string{pick("a.test", "x.test")}, Certificates: []ir.CertificateID{"a"}}
		case 3:
			hosts[name] = &ir.Host{Name: name}
		case 4:
			hosts[name] = &ir.Host{Name: name, ClientAuth: &ir.ClientAuth{Fingerprint: pick("p", "q")}}
		default:
			hosts[name] = &ir.Host{Name: name, Certificates: []ir.CertificateID{ir.CertificateID(pick("a", "b"))}}
		}
		cfg := &ir.Config{Certificates: certificates}
		for _, name := range slices.Sorted(maps.Keys(hosts)) {
			cfg.Hosts = append(cfg.Hosts, hosts[name])
		}
		if _, ok := known.index.Load().follow(known.last, cfg); ok {
			followed++
		}
		known.Update(cfg)
		want := fresh.build(cfg, &index{})
		got := known.index.Load()
		if g, w := sources(got.exact), sources(want.exact); !reflect.DeepEqual(g, w) {
			t.Fatalf("exact names %v, want %v", g, w)
		}
		if g, w := sources(got.wildcard), sources(want.wildcard); !reflect.DeepEqual(g, w) {
			t.Fatalf("wildcard names %v, want %v", g, w)
		}
		if g, w := slices.Sorted(maps.Keys(got.clients.exact)), slices.Sorted(maps.Keys(want.clients.exact)); !slices.Equal(g, w) {
			t.Fatalf("clients are asked for %v, want %v", g, w)
		}
		if g, w := known.Info(), infos(cfg, want); !reflect.DeepEqual(g, w) {
			t.Fatalf("info %v, want %v", g, w)
		}
	}
	if followed < 50 {
		t.Errorf("only %d of 300 configurations were followed", followed)
	}
}

func sources(m map[string][]*pair) map[string][]ir.CertificateID {
	out := map[string][]ir.CertificateID{}
	for name, pairs := range m {
		out[name] = []ir.CertificateID{}
		for _, p := range pairs {
			out[name] = append(out[name], p.source.ID)
		}
	}
	return out
}
