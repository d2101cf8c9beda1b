package store_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"daemun/internal/store"
)

func names(changes []store.Change) (list []string) {
	for _, c := range changes {
		list = append(list, fmt.Sprint(c.Kind, "/", c.Name, "@", c.Revision))
	}
	return list
}

func TestSinceListsWhatChanged(t *testing.T) {
	t.Parallel()
	s := store.New()
	empty := s.View()
	put(s, &corev1.Service{ObjectMeta: meta("a")}, &corev1.Secret{ObjectMeta: meta("b")})
	first := s.View()
	remove(s, "Service", "a")
	remove(s, "Service", "never was")
	last := s.View()
	for what, tt := range map[string]struct {
		from, to *store.View
		want     string
	}{
		"everything":    {empty, last, "[Service/a@1 Secret/b@1 Service/a@2]"},
		"the last":      {first, last, "[Service/a@2]"},
		"an older view": {empty, first, "[Service/a@1 Secret/b@1]"},
		"nothing":       {last, last, "[]"},
	} {
		got, ok := tt.to.Since(tt.from)
		if !ok || fmt.Sprint(names(got)) != tt.want {
			t.Errorf("%s: %v (%v), want %s", what, names(got), ok, tt.want)
		}
	}
}

// TestSinceSaysWhenItDoesNotKnow: of another store, of the future, of long ago.
func TestSinceSaysWhenItDoesNotKnow(t *testing.T) {
	t.Parallel()
	s := store.New()
	empty := s.View()
	put(s, &corev1.Service{ObjectMeta: meta("a")})
	first := s.View()
	for what, old := range map[string]*store.View{"nil": nil, "made by hand": {}, "another store": store.New().View()} {
		if _, ok := first.Since(old); ok {
			t.Errorf("%s is known", what)
		}
	}
	if _, ok := empty.Since(first); ok {
		t.Error("the future is known")
	}
	const many = 3000
	for range many {
		put(s, &corev1.Service{ObjectMeta: meta("a")})
	}
	before := s.View()
	if _, ok := before.Since(first); ok {
		t.Errorf("%d changes are remembered", many)
	}
	s.Update(func(tx *store.Tx) {
		for i := range many {
			tx.Put(&corev1.Service{ObjectMeta: meta(fmt.Sprint(i))})
		}
	})
	if _, ok := s.View().Since(before); ok {
		t.Errorf("%d changes at once are remembered", many)
	}
	after := s.View()
	put(s, &corev1.Service{ObjectMeta: meta("a")})
	if got, ok := s.View().Since(after); !ok || len(got) != 1 {
		t.Errorf("%v, %v, want one change", names(got), ok)
	}
}
