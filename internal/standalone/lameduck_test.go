package standalone

import (
	"testing"
	"testing/synctest"
	"time"

	"daemun/internal/manifest"
	"daemun/internal/store"
)

// TestLameDuck takes a Pod out of its endpoints before its program hears of
// the end.
func TestLameDuck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, deployment("web", 1, program("serve")), service("web"))
		defer l.end()
		l.cfg.LameDuck = 50 * time.Millisecond
		pod := l.rt.get("default/" + l.pods()[0].Name + "/main")
		l.Apply(manifest.Change{Delete: []store.Key{{Kind: "Deployment", Namespace: "default", Name: "web"}}})
		synctest.Wait()
		if ready, _, terminating := l.endpoints("web"); ready != 0 || terminating != 1 {
			t.Errorf("%d ready endpoints, %d terminating, want one that terminates", ready, terminating)
		}
		select {
		case <-pod.Done():
			t.Error("the program has ended already")
		default:
		}
		l.wait(50 * time.Millisecond)
		select {
		case <-pod.Done():
		default:
			t.Error("the program goes on")
		}
	})
}
