package standalone

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"daemun/internal/ir"
	"daemun/internal/manifest"
	"daemun/internal/store"
)

// Plan expands manifests without running anything: Services with addresses,
// the Pods that would run, assumed ready, and their EndpointSlices. It serves
// lint and offline explain. Equal input gives equal output but for times; it
// writes no file. What only a machine can tell (whether an image has a
// program, whether a folder exists) is not judged.
func Plan(objects []store.Object, c Config) ([]store.Object, []ir.Problem) {
	c.setDefaults()
	s := newState(&c)
	n := 0
	s.uid = func() types.UID { n++; return types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", n)) }
	s.begin(time.Now())
	s.intake(manifest.Change{Put: objects})
	for {
		s.reconcile()
		ready := true
		for _, e := range slices.SortedFunc(maps.Values(s.pods), byName) {
			if e.scheduled() && !e.replica().ready && !e.deleting() {
				s.assume(e)
				ready = false
			}
		}
		if ready {
			break
		}
		// What depends on time (minReadySeconds) is as good as over.
		s.now = s.now.Add(24 * time.Hour)
	}
	st := store.New()
	st.Update(s.publish)
	view := st.View()
	for _, e := range s.pods {
		s.found.add(references(e, view)...)
	}
	shown := slices.DeleteFunc(slices.Clone(objects), func(o store.Object) bool { return s.isCopy(withNamespace(o)) })
	return shownObjects(view, shown), s.problems()
}

// references are the problems of what a Pod refers to.
func references(e *podEntry, view *store.View) (out []ir.Problem) {
	report := func(field string, m *missing) {
		if m != nil {
			out = append(out, ir.Problem{Code: CodeMissingRef, Severity: ir.SeverityWarning, Object: refOf(e.source), Field: e.prefix + field, Message: m.text})
		}
	}
	spec := &e.pod.Spec
	for i := range spec.InitContainers {
		if _, m := containerEnv(e.pod, &spec.InitContainers[i], view); m != nil {
			report(fmt.Sprintf("spec.initContainers[%d].%s", i, m.field), m)
		}
	}
	for i := range spec.Containers {
		if _, m := containerEnv(e.pod, &spec.Containers[i], view); m != nil {
			report(fmt.Sprintf("spec.containers[%d].%s", i, m.field), m)
		}
	}
	for _, f := range misformedNames(e.pod) {
		out = append(out, ir.Problem{Code: CodeForming, Severity: ir.SeverityWarning, Object: refOf(e.source), Field: e.prefix + f.field, Message: f.message})
	}
	for i := range spec.Volumes {
		_, m := payloadOf(&spec.Volumes[i], e.pod, view)
		report(fmt.Sprintf("spec.volumes[%d]", i), m)
	}
	return out
}

// shownObjects lists what a cluster would show, in a stable order: what came
// in and is not derived, then what is.
func shownObjects(view *store.View, in []store.Object) []store.Object {
	var out []store.Object
	for _, o := range in {
		if !derivedKinds[kindOf(o)] {
			out = append(out, withNamespace(o))
		}
	}
	out = appendSorted(out, view.Nodes)
	out = appendSorted(out, view.Services)
	out = appendSorted(out, view.Pods)
	var built []store.Object
	for _, slice := range appendSorted(nil, view.EndpointSlices) {
		if !slices.ContainsFunc(in, func(o store.Object) bool { return keyOf(withNamespace(o)) == keyOf(slice) }) {
			built = append(built, slice)
		}
	}
	return append(out, built...)
}

func appendSorted[T store.Object](out []store.Object, m map[store.Name]T) []store.Object {
	names := slices.SortedFunc(maps.Keys(m), func(a, b store.Name) int {
		return slices.Compare([]string{a.Namespace, a.Name}, []string{b.Namespace, b.Name})
	})
	for _, n := range names {
		out = append(out, m[n])
	}
	return out
}
