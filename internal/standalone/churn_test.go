package standalone

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	discoveryv1 "k8s.io/api/discovery/v1"

	"daemun/internal/manifest"
	"daemun/internal/store"
)

// TestRandomEdits applies a thousand random edits of manifests, sound and
// broken ones, and compares the outcome with that of a fresh start on the last
// state of the files: nothing may stay behind, and nothing get lost.
func TestRandomEdits(t *testing.T) {
	t.Parallel()
	e := &editor{t: t, dir: t.TempDir(), random: rand.New(rand.NewPCG(4, 2))}
	loader := manifest.New([]string{e.dir}, nil)
	cfg := Config{}
	cfg.setDefaults()
	s := newState(&cfg)
	st := store.New()
	for range 1000 {
		e.edit()
		apply(t, s, st, loader)
	}
	e.settle()
	apply(t, s, st, loader)

	fresh, freshStore := newState(&cfg), store.New()
	apply(t, fresh, freshStore, manifest.New([]string{e.dir}, nil))
	if d := cmp.Diff(shape(freshStore.View()), shape(st.View())); d != "" {
		t.Errorf("fresh start (-) and the end of the edits (+):\n%s", d)
	}
	if a, b := fmt.Sprint(loader.Problems()), fmt.Sprint(s.problems()); strings.Contains(a, "good version") || b != fmt.Sprint(fresh.problems()) {
		t.Errorf("problems stayed behind: %s %s", a, b)
	}
}

// apply is a step of a cluster whose Pods become ready at once.
func apply(t *testing.T, s *state, st *store.Store, loader *manifest.Loader) {
	t.Helper()
	c, err := loader.Load()
	if err != nil {
		t.Fatal(err)
	}
	s.begin(time.Now())
	s.intake(c)
	for {
		s.reconcile()
		waiting := false
		for _, p := range s.pods {
			if p.scheduled() && !p.replica().ready && !p.deleting() {
				s.assume(p)
				waiting = true
			}
		}
		if !waiting {
			break
		}
	}
	st.Update(s.publish)
}

// shape is what must not depend on the way to it: Services, slices by Service,
// the number of Pods with each set of labels, and what passes through.
func shape(v *store.View) map[string]string {
	out := map[string]string{}
	for name := range v.Services {
		var addresses int
		for _, slice := range v.SlicesOf(name) {
			addresses += len(slice.Endpoints)
		}
		out["Service "+name.Name] = fmt.Sprint(addresses, " endpoints")
	}
	for _, slice := range v.EndpointSlices {
		if slice.Labels[discoveryv1.LabelManagedBy] == "" {
			out["EndpointSlice "+slice.Name] = fmt.Sprint(slice.Endpoints)
		}
	}
	pods := map[string]int{}
	for _, p := range v.Pods {
		pods[p.Labels["app"]]++
	}
	for app, n := range pods {
		out["Pods of "+app] = fmt.Sprint(n)
	}
	for name, c := range v.ConfigMaps {
		out["ConfigMap "+name.Name] = fmt.Sprint(c.Data)
	}
	return out
}

// editor makes random files.
type editor struct {
	t      *testing.T
	dir    string
	random *rand.Rand
}

func (e *editor) path() string {
	return filepath.Join(e.dir, fmt.Sprintf("f%d.yaml", e.random.IntN(8)))
}

func (e *editor) edit() {
	path := e.path()
	switch n := e.random.IntN(20); {
	case n < 10: // as editors do
		write(e.t, path+".tmp", e.content())
		if err := os.Rename(path+".tmp", path); err != nil {
			e.t.Fatal(err)
		}
	case n < 15:
		write(e.t, path, e.content())
	case n < 18:
		if err := os.RemoveAll(path); err != nil {
			e.t.Fatal(err)
		}
	case n < 19:
		write(e.t, filepath.Join(e.dir, "sub", fmt.Sprint(e.random.IntN(3)), "x.yaml"), e.content())
	default:
		if err := os.RemoveAll(filepath.Join(e.dir, "sub")); err != nil {
			e.t.Fatal(err)
		}
	}
}

// settle ends with files that are all sound.
func (e *editor) settle() {
	for i := range 8 {
		path := filepath.Join(e.dir, fmt.Sprintf("f%d.yaml", i))
		write(e.t, path, e.object()+e.object())
	}
	if err := os.RemoveAll(filepath.Join(e.dir, "sub")); err != nil {
		e.t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (e *editor) content() string {
	broken := []string{"a: [", "{{ .Values.x }}", "kind: Service\n", "apiVersion: v1\nkind: Service\nmetadata: {name: s1}\nspec: {port: 3}\n", ""}
	var b strings.Builder
	for range e.random.IntN(4) {
		b.WriteString(e.object())
	}
	if e.random.IntN(6) == 0 {
		b.WriteString(broken[e.random.IntN(len(broken))])
	}
	return b.String()
}

func (e *editor) object() string {
	i, j := e.random.IntN(3), e.random.IntN(3)
	switch e.random.IntN(5) {
	case 0:
		return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c%d}\ndata: {v: '%d'}\n---\n", i, j)
	case 1:
		return fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: s%d}\nspec: {selector: {app: d%d}, ports: [{port: 80}]}\n---\n", i, j)
	case 2:
		return fmt.Sprintf("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: e%d, labels: {kubernetes.io/service-name: s%d}}\n"+
			"addressType: IPv4\nports: [{port: 80}]\nendpoints: [{addresses: [10.0.0.%d]}]\n---\n", i, j, 1+j)
	case 3:
		return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: p%d, labels: {app: d%d}}\nspec: {containers: [{name: c, image: x}]}\n---\n", i, j)
	}
	return fmt.Sprintf("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d%d}\nspec:\n  replicas: %d\n  selector: {matchLabels: {app: d%d}}\n"+
		"  template:\n    metadata: {labels: {app: d%d}}\n    spec: {containers: [{name: c, image: x, args: ['%d']}]}\n---\n", i, j, i, i, j)
}
