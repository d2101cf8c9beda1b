package standalone

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"daemun/internal/manifest"
	"daemun/internal/store"
)

// TestExplicitRequestsWinAtStart over what was chosen before, and only there.
func TestExplicitRequestsWinAtStart(t *testing.T) {
	t.Parallel()
	a := testServices()
	m := manifests{}.put(svc("a", nodePort(), balanced))
	before := a.update(m)[store.Name{Namespace: "default", Name: "a"}]
	thief := svc("b", nodePort(before.Spec.Ports[0].NodePort), balanced, clusterIP(before.Spec.ClusterIP), loadBalancerIP(before.Status.LoadBalancer.Ingress[0].IP))
	m.put(thief)
	a.update(m)
	if got := strings.Count(problemsOf(a), "is in use by Service default/a"); got != 3 {
		t.Errorf("while a holds them:\n%s", problemsOf(a))
	}
	fresh := testServices()
	fresh.memory.noted = map[string]grants{"default/a": {"clusterIP": fresh.network.index(netip.MustParseAddr(before.Spec.ClusterIP))}}
	out := fresh.update(m)
	got, other := out[store.NameOf(thief)], out[store.Name{Namespace: "default", Name: "a"}]
	if got.Spec.ClusterIP != before.Spec.ClusterIP || got.Spec.Ports[0].NodePort != before.Spec.Ports[0].NodePort || ingressIP(out, "b") != ingressIP(map[store.Name]*corev1.Service{store.NameOf(before): before}, "a") {
		t.Errorf("after a new start b has %+v", got)
	}
	if other.Spec.ClusterIP == "" || other.Spec.Ports[0].NodePort == 0 || problemsOf(fresh) != "" {
		t.Errorf("a has %+v; %s", other, problemsOf(fresh))
	}
}

// TestRestartGivesTheSameNumbers whatever the order in which the Services
// came, went and came to agree.
func TestRestartGivesTheSameNumbers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start := func() *services {
		a := testServices()
		var err error
		if a.memory, err = recall(dir); err != nil {
			t.Fatal(err)
		}
		return a
	}
	a, m := start(), manifests{}
	for i := range 700 { // enough that many want one place
		m.put(svc(fmt.Sprintf("s%03d", (i*577)%700), nodePort(), func(s *corev1.Service) {
			if i < 6 {
				balanced(s)
			}
			if i%50 == 0 {
				s.Spec.Ports[0].NodePort = int32(30000 + i/50)
			}
		}))
		if i%17 == 0 {
			a.update(m)
		}
		if i%100 == 99 {
			m = m.without(fmt.Sprintf("s%03d", (i*577)%700))
		}
	}
	before := numbers(a, m)
	if err := a.memory.save(); err != nil {
		t.Fatal(err)
	}
	if len(a.memory.noted) == 0 || len(a.memory.noted) > 350 {
		t.Errorf("%d Services are noted", len(a.memory.noted))
	}
	again := start()
	if d := cmp.Diff(before, numbers(again, m)); d != "" {
		t.Errorf("a new start (+): %s", d)
	}
	if again.memory.changed {
		t.Error("a start without changes writes the memory")
	}
	// The Services of another set of manifests are not forgotten meanwhile.
	other := start()
	other.update(manifests{}.put(svc("other", nodePort())))
	if err := other.memory.save(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, numbers(start(), m)); d != "" {
		t.Errorf("after other manifests (+): %s", d)
	}
}

func TestBrokenMemory(t *testing.T) {
	t.Parallel()
	for text, wrong := range map[string]bool{
		"":     true,
		"{":    true,
		"[]":   true,
		"null": false,
		`{"default/a":{"clusterIP":-5,"nodePort http":99999999},"x":null}`: false,
		`{"default/a":{"clusterIP":"127.96.0.3"}}`:                         true,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "services.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		a := testServices()
		var err error
		a.memory, err = recall(dir)
		if (err != nil) != wrong {
			t.Errorf("%q: error %v", text, err)
		}
		got := numbers(a, manifests{}.put(svc("a", nodePort())))
		if want := numbers(testServices(), manifests{}.put(svc("a", nodePort()))); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
		if err := a.memory.save(); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestClusterRemembers: two Services want one node port. Who came first has
// it after a new start too, although the other comes first by name.
func TestClusterRemembers(t *testing.T) {
	t.Parallel()
	first, second := rivals()
	dir := t.TempDir()
	start := func(list ...*corev1.Service) string {
		st := store.New()
		c := newCluster(Config{Store: st, StateDir: dir}, &fakeRuntime{})
		for _, s := range list {
			c.Apply(manifest.Change{Put: []store.Object{s}})
		}
		return fmt.Sprint(st.View().Services[store.NameOf(first)].Spec.Ports[0].NodePort, " ", st.View().Services[store.NameOf(second)].Spec.Ports[0].NodePort)
	}
	want := start(second, first)
	if got := start(first, second); got != want {
		t.Errorf("after a new start %s, before %s", got, want)
	}
	if err := os.Remove(filepath.Join(dir, "services.json")); err != nil {
		t.Fatal(err)
	}
	if got := start(first, second); got == want {
		t.Error("these two do not want one node port")
	}
}

// rivals are two Services whose first choice of a node port is the same,
// in the order of their names.
func rivals() (a, b *corev1.Service) {
	p := newPool(nodePorts, 86, exclusive)
	seen := map[int]string{}
	for i := 0; ; i++ {
		name := fmt.Sprintf("s%05d", i)
		n := p.natural(&demand{key: "default/" + name + " http"})
		if other, ok := seen[n]; ok {
			return svc(other, nodePort()), svc(name, nodePort())
		}
		seen[n] = name
	}
}

// TestMemoryOfOthersIsKept: a Daemun that saves keeps what others wrote since
// it read the file, but for its own Services.
func TestMemoryOfOthersIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	read := func() *memory {
		m, err := recall(dir)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	one, two := read(), read()
	name := func(s string) store.Name { return store.Name{Namespace: "default", Name: s} }
	save := func(m *memory, here string, g grants) {
		m.noted, m.here, m.changed = map[string]grants{"default/" + here: g}, map[store.Name]grants{name(here): g}, true
		if err := m.save(); err != nil {
			t.Fatal(err)
		}
	}
	save(one, "a", grants{"clusterIP": 1})
	save(two, "b", grants{"clusterIP": 2})
	save(one, "a", grants{"clusterIP": 3})
	if d := cmp.Diff(map[string]grants{"default/a": {"clusterIP": 3}, "default/b": {"clusterIP": 2}}, read().noted); d != "" {
		t.Error(d)
	}
}
