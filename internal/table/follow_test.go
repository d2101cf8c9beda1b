package table

import (
	"slices"
	"strings"
	"testing"

	"daemun/internal/ir"

	"pgregory.net/rapid"
)

// TestFollowEqualsFresh changes hosts at random; a table that follows another
// must resolve every name as one that was made of nothing.
func TestFollowEqualsFresh(t *testing.T) {
	t.Parallel()
	all := []string{"a.test", "b.test", "*.test", "c.b.test", "*.b.test", "d.test", "e.test"}
	asked := append([]string{"x.test", "x.b.test", "nothing", "alias.test"}, all...)
	rapid.Check(t, func(rt *rapid.T) {
		hosts := map[string]*ir.Host{"": plainHost("", prefix("/"))}
		var tab *Table
		for revision := range uint64(8) {
			for range rapid.IntRange(0, 3).Draw(rt, "changes") {
				name := rapid.SampledFrom(all).Draw(rt, "name")
				switch rapid.IntRange(0, 5).Draw(rt, "how") {
				case 0, 1:
					delete(hosts, name)
				case 2:
					hosts[name] = plainHost(name, prefix("/"))
					hosts[name].Aliases = []string{"alias.test"}
				default:
					hosts[name] = plainHost(name, prefix(rapid.SampledFrom([]string{"/", "/x"}).Draw(rt, "path")))
				}
			}
			cfg := &ir.Config{}
			for _, h := range hosts {
				cfg.Hosts = append(cfg.Hosts, h)
			}
			slices.SortFunc(cfg.Hosts, func(a, b *ir.Host) int { return strings.Compare(a.Name, b.Name) })
			tab = Compile(tab, revision, cfg, newFakeHandles().handles())
			fresh := Compile(nil, revision, cfg, newFakeHandles().handles())
			for _, name := range asked {
				if got, want := resolve(tab, name, "/x/y"), resolve(fresh, name, "/x/y"); got != want {
					rt.Fatalf("%s: %s, want %s", name, got, want)
				}
			}
			i := 0
			for h := range tab.Hosts() {
				if !equalHost(h.IR, cfg.Hosts[i]) {
					rt.Fatalf("host %d is %s, want %s", i, h.IR.Name, cfg.Hosts[i].Name)
				}
				i++
			}
		}
	})
}
