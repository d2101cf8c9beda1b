package network

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"daemun/internal/store"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestGolden translates testdata/<case>.in.yaml.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.in.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".in.yaml"), func(t *testing.T) {
			t.Parallel()
			n, problems := New().Translate(storeOf(t, file).View())
			n.Revision = 0
			var texts []string
			for _, p := range problems {
				texts = append(texts, string(p.Severity)+": "+p.String())
			}
			got, err := yaml.Marshal(map[string]any{"network": n, "problems": texts})
			if err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(file, ".in.yaml") + ".out.yaml"
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(got)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func storeOf(t testing.TB, file string) *store.Store {
	t.Helper()
	in, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := store.New()
	for doc := range bytes.SplitSeq(in, []byte("\n---\n")) {
		put(s, decode(t, doc))
	}
	return s
}

func put(s *store.Store, objects ...store.Object) {
	s.Update(func(tx *store.Tx) {
		for _, o := range objects {
			tx.Put(o)
		}
	})
}

func decode(t testing.TB, doc []byte) store.Object {
	t.Helper()
	var head struct{ Kind string }
	if err := yaml.Unmarshal(doc, &head); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]store.Object{"Service": &corev1.Service{}, "EndpointSlice": &discoveryv1.EndpointSlice{}, "Node": &corev1.Node{}, "Pod": &corev1.Pod{}}
	o := kinds[head.Kind]
	if o == nil {
		t.Fatalf("kind %q", head.Kind)
	}
	if err := yaml.UnmarshalStrict(doc, o); err != nil {
		t.Fatal(err)
	}
	return o
}

// TestUnchangedKeepsPointer: readers tell by the pointer what they have to do.
func TestUnchangedKeepsPointer(t *testing.T) {
	t.Parallel()
	s, tr := storeOf(t, "testdata/names.in.yaml"), New()
	before, _ := tr.Translate(s.View())
	slice := s.View().SlicesOf(store.Name{Namespace: "data", Name: "db"})[0].DeepCopy()
	slice.Endpoints = slice.Endpoints[:1]
	put(s, slice)
	after, _ := tr.Translate(s.View())
	for i := range after.Services {
		if same, want := after.Services[i] == before.Services[i], after.Services[i].Name != "db"; same != want {
			t.Errorf("Service %s: same pointer %v, want %v", after.Services[i].Name, same, want)
		}
	}
	if after.Nodes[0] != before.Nodes[0] || after.Pods[0] != before.Pods[0] {
		t.Error("nodes and Pods changed without reason")
	}
	fresh, _ := New().Translate(s.View())
	if d := cmp.Diff(fresh, after, comparer); d != "" {
		t.Errorf("what is remembered changes the result: -fresh +remembered:\n%s", d)
	}
}

// TestDeletedServiceIsForgotten: a new one of the name is another one.
func TestDeletedServiceIsForgotten(t *testing.T) {
	t.Parallel()
	s, tr := storeOf(t, "testdata/names.in.yaml"), New()
	tr.Translate(s.View())
	s.Update(func(tx *store.Tx) { tx.Delete(store.Key{Kind: "Service", Namespace: "data", Name: "db"}) })
	n, _ := tr.Translate(s.View())
	if len(n.Services) != 2 || len(tr.services) != 2 {
		t.Errorf("%d Services, %d remembered, want 2 of each", len(n.Services), len(tr.services))
	}
}

// TestMemoryEqualsFresh edits objects at random: Services come and go, slices
// move from one to another.
func TestMemoryEqualsFresh(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	s, tr := store.New(), New()
	name := func() string { return "svc-" + strconv.Itoa(rnd.IntN(6)) }
	for range 300 {
		s.Update(func(tx *store.Tx) {
			for range 1 + rnd.IntN(3) {
				switch rnd.IntN(6) {
				case 0:
					tx.Delete(store.Key{Kind: "Service", Namespace: "default", Name: name()})
				case 1:
					tx.Delete(store.Key{Kind: "EndpointSlice", Namespace: "default", Name: name()})
				case 2, 3:
					slice := sliceOf(name(), rnd.IntN(2) == 0)
					slice.Name = name()
					tx.Put(slice)
				default:
					svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name()}}
					svc.Spec.ClusterIP = []string{"127.96.1.1", "not an address"}[rnd.IntN(2)]
					svc.Spec.Ports = []corev1.ServicePort{{Port: int32(80 + rnd.IntN(2))}}
					tx.Put(svc)
				}
			}
		})
		if rnd.IntN(3) == 0 {
			continue // several revisions at once
		}
		got, problems := tr.Translate(s.View())
		want, wrong := New().Translate(s.View())
		if d := cmp.Diff(want, got, comparer, cmpopts.EquateEmpty()); d != "" || !slices.Equal(problems, wrong) {
			t.Fatalf("problems %v, want %v; network -fresh +memory:\n%s", problems, wrong, d)
		}
	}
}

// TestInputIsNotWritten: views are shared.
func TestInputIsNotWritten(t *testing.T) {
	t.Parallel()
	s := storeOf(t, "testdata/load-balancer.in.yaml")
	svc := s.View().Services[store.Name{Namespace: "default", Name: "lb"}]
	before := svc.DeepCopy()
	New().Translate(s.View())
	if d := cmp.Diff(before, svc); d != "" {
		t.Errorf("-before +after:\n%s", d)
	}
}

var comparer = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

// BenchmarkFlip: one endpoint of one of 5,000 Services changes.
func BenchmarkFlip(b *testing.B) {
	s, tr := store.New(), New()
	s.Update(func(tx *store.Tx) {
		for i := range 5000 {
			name := "svc-" + strconv.Itoa(i)
			tx.Put(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Spec: corev1.ServiceSpec{ClusterIP: "127.96.1.1", Ports: []corev1.ServicePort{{Port: 80}}}})
			tx.Put(sliceOf(name, true))
		}
	})
	tr.Translate(s.View())
	ready := false
	for b.Loop() {
		put(s, sliceOf("svc-0", ready))
		tr.Translate(s.View())
		ready = !ready
	}
}

func sliceOf(service string, ready bool) *discoveryv1.EndpointSlice {
	port := int32(80)
	e := discoveryv1.Endpoint{Addresses: []string{"127.244.0.1"}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}}
	return &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "default", Name: service, Labels: map[string]string{discoveryv1.LabelServiceName: service}},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Port: &port}}, Endpoints: []discoveryv1.Endpoint{e, e, e, e},
	}
}
