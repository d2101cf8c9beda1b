package admin

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/store"
)

// TestWrongPodName: a wrong name is answered with the Pods it may stand for.
func TestWrongPodName(t *testing.T) {
	t.Parallel()
	st := store.New()
	st.Update(func(tx *store.Tx) {
		for _, name := range []store.Name{{Namespace: "a", Name: "web-1"}, {Namespace: "a", Name: "web-2"}, {Namespace: "b", Name: "db"}} {
			tx.Put(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}})
		}
	})
	s := server{Config{View: st.View, LogPath: func(store.Name, string) string { return "" }}}
	for pod, want := range map[store.Name]string{
		{Namespace: "a", Name: "web"}: "pod a/web not found; did you mean web-1, web-2?",
		{Namespace: "a", Name: "db"}:  "pod a/db not found; there is one in namespace b: choose it with -n",
		{Namespace: "a", Name: "x"}:   "pod a/x not found",
	} {
		if _, err := s.logFile(pod, ""); err == nil || err.Error() != want {
			t.Errorf("%v: %v, want %s", pod, err, want)
		}
	}
}
