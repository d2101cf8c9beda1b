package table

import (
	"fmt"
	"testing"

	"daemun/internal/ir"
)

func benchConfig(hosts, paths int) *ir.Config {
	cfg := &ir.Config{Hosts: make([]*ir.Host, 0, hosts+1), Settings: ir.DefaultSettings()}
	cfg.Hosts = append(cfg.Hosts, plainHost("", prefix("/")))
	for i := range hosts {
		cfg.Hosts = append(cfg.Hosts, benchHost(i, paths))
	}
	return cfg
}

func benchHost(i, paths int) *ir.Host {
	h := &ir.Host{Name: fmt.Sprintf("host-%06d.shop.example", i)}
	for p := range paths - 1 {
		h.Routes = append(h.Routes, prefix(fmt.Sprintf("/api/service-%d", p)))
	}
	h.Routes = append(h.Routes, prefix("/"))
	return h
}

// benchHandles are as cheap as a registry can be, so that Compile is measured.
func benchHandles() Handles { return newFakeHandles().handles() }

// Requests go to all hosts in turn, so that large tables miss the caches as
// they would in service.
func BenchmarkResolve(b *testing.B) {
	for _, hosts := range []int{1, 100, 10_000, 100_000} {
		cfg := benchConfig(hosts, 10)
		tab := Compile(nil, 1, cfg, benchHandles())
		names := make([][]byte, 0, hosts)
		for _, h := range cfg.Hosts[1:] {
			names = append(names, []byte(h.Name))
		}
		for _, path := range []struct{ name, path string }{
			{"prefix", "/api/service-7/users/42"}, {"root", "/index.html"}, {"escaped", "/api/service-7/a%20b"},
		} {
			b.Run(fmt.Sprintf("hosts=%d/%s", hosts, path.name), func(b *testing.B) {
				b.ReportAllocs()
				m, raw := &Match{}, []byte(path.path)
				i := 0
				for b.Loop() {
					if tab.Resolve(names[i], raw, m) != Found || m.Route == nil {
						b.Fatal("not found")
					}
					if i += 7919; i >= len(names) {
						i %= len(names)
					}
				}
			})
		}
	}
}

// One host with many routes: the cost follows the depth of the path.
func BenchmarkResolveManyRoutes(b *testing.B) {
	for _, paths := range []int{16, 17, 1000, 10_000} {
		tab := Compile(nil, 1, benchConfig(1, paths), benchHandles())
		b.Run(fmt.Sprintf("routes=%d", paths), func(b *testing.B) {
			b.ReportAllocs()
			m, name, raw := &Match{}, []byte("host-000000.shop.example"), []byte("/api/service-7/users/42")
			for b.Loop() {
				tab.Resolve(name, raw, m)
			}
		})
	}
}

func BenchmarkResolveRegex(b *testing.B) {
	host := regexHost("r.test")
	for i := range 100 {
		r := rewrite(fmt.Sprintf("/service-%02d(/|$)(.*)", i), "/$2")
		host.Routes = append(host.Routes, r)
	}
	host.Routes = append(host.Routes, regex("^/v[0-9]+/(users|groups)/([a-z]+)"), regex("^/"))
	tab := Compile(nil, 1, &ir.Config{Hosts: []*ir.Host{host}}, benchHandles())
	name := []byte("r.test")
	for _, c := range []struct{ name, path string }{
		{"first", "/service-00/users/42"}, {"last", "/service-99/users/42"}, {"linear", "/v1/users/alice"}, {"none", "/index.html"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			m, raw := &Match{}, []byte(c.path)
			for b.Loop() {
				tab.Resolve(name, raw, m)
			}
		})
	}
	b.Run("last+rewrite", func(b *testing.B) {
		b.ReportAllocs()
		m, raw, dst := &Match{}, []byte("/service-99/users/42"), make([]byte, 0, 64)
		for b.Loop() {
			tab.Resolve(name, raw, m)
			_, _ = m.Rewrite(dst)
		}
	})
}

func BenchmarkCompile(b *testing.B) {
	const hosts = 10_000
	cfg := benchConfig(hosts, 10)
	h := benchHandles()
	prev := Compile(nil, 1, cfg, h)
	b.Run("full", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Compile(nil, 1, cfg, h)
		}
	})
	b.Run("one host changed", func(b *testing.B) {
		next := *cfg
		next.Hosts = append([]*ir.Host(nil), cfg.Hosts...)
		next.Hosts[5000] = benchHost(4999, 11)
		b.ReportAllocs()
		for b.Loop() {
			Compile(prev, 2, &next, h)
		}
	})
	b.Run("one host added", func(b *testing.B) {
		next := *cfg
		next.Hosts = append(append([]*ir.Host(nil), cfg.Hosts...), benchHost(hosts, 10))
		b.ReportAllocs()
		for b.Loop() {
			Compile(prev, 2, &next, h)
		}
	})
	b.Run("equal copies", func(b *testing.B) {
		next := benchConfig(hosts, 10)
		b.ReportAllocs()
		for b.Loop() {
			Compile(prev, 2, next, h)
		}
	})
}
