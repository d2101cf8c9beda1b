package manifest

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/google/go-cmp/cmp"
)

// told is a watcher that knows only what the test tells it: there are no events
// of its own, and no rescans unless they are asked for.
type told struct {
	*watcher
	t      *testing.T
	dir    string
	state  mirror
	calls  int
	events chan fsnotify.Event
	errors chan error
}

func newTold(t *testing.T, prepare func(dir string)) *told {
	t.Helper()
	v := &told{t: t, dir: t.TempDir(), state: mirror{}, events: make(chan fsnotify.Event), errors: make(chan error)}
	prepare(v.dir)
	l := New([]string{v.dir}, nil)
	first, err := l.Load()
	must(t, err)
	v.state.apply(first)
	v.watcher = newWatcher(l)
	v.watcher.events, v.watcher.errors, v.watcher.rescan = v.events, v.errors, time.Hour
	return v
}

// look reads what paths and the state of the watcher say.
func (v *told) look(want mirror, paths ...string) {
	v.t.Helper()
	for _, path := range paths {
		v.note(filepath.Join(v.dir, path))
	}
	v.load(func(c Change) {
		v.calls++
		v.state.apply(c)
	})
	if diff := cmp.Diff(want, v.state); diff != "" {
		v.t.Errorf("objects (-want +got):\n%s", diff)
	}
}

// runUntil runs the watcher until the objects are these. tell is called once it
// runs.
func (v *told) runUntil(want mirror, tell func()) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), time.Minute)
	defer cancel()
	done := make(chan error)
	go func() {
		done <- v.run(ctx, func(c Change) {
			if v.state.apply(c); cmp.Equal(want, v.state) {
				cancel()
			}
		})
	}()
	tell()
	if err := <-done; err != nil {
		v.t.Error(err)
	}
	if diff := cmp.Diff(want, v.state); diff != "" {
		v.t.Errorf("objects (-want +got):\n%s", diff)
	}
}

// old writes a file whose times show no further change of the same length.
func old(t *testing.T, path, text string) {
	t.Helper()
	write(t, path, text)
	must(t, os.Chtimes(path, time.Time{}, time.Unix(1e9, 0)))
}

func oneOld(t *testing.T) func(dir string) {
	return func(dir string) { old(t, filepath.Join(dir, "a.yaml"), configMap("a", "1")) }
}

// TestLostEvents: when some were lost, all files are looked at.
func TestLostEvents(t *testing.T) {
	t.Parallel()
	v := newTold(t, oneOld(t))
	write(t, filepath.Join(v.dir, "b.yaml"), configMap("b", "1"))
	v.runUntil(mirror{"a": "1", "b": "1"}, func() { v.errors <- fsnotify.ErrEventOverflow })
}

// TestRescan finds what no event told.
func TestRescan(t *testing.T) {
	t.Parallel()
	v := newTold(t, oneOld(t))
	v.rescan = time.Millisecond
	v.runUntil(mirror{"b": "1"}, func() {
		write(t, filepath.Join(v.dir, "b.yaml"), configMap("b", "1"))
		must(t, os.Remove(filepath.Join(v.dir, "a.yaml")))
	})
}

// TestEmptiedIsLookedAtAgain: nothing but time tells that an empty file stays so.
func TestEmptiedIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	v := newTold(t, oneOld(t))
	path := filepath.Join(v.dir, "a.yaml")
	v.runUntil(mirror{}, func() {
		must(t, os.Truncate(path, 0))
		v.events <- fsnotify.Event{Name: path, Op: fsnotify.Write}
	})
}

// TestEventsCountMoreThanTimes: a file that an event names is read although its
// times and its length are as before, also when everything is looked at.
func TestEventsCountMoreThanTimes(t *testing.T) {
	t.Parallel()
	v := newTold(t, oneOld(t))
	old(t, filepath.Join(v.dir, "a.yaml"), configMap("a", "2"))
	v.look(mirror{"a": "1"})
	v.look(mirror{"a": "2"}, "a.yaml")
	old(t, filepath.Join(v.dir, "a.yaml"), configMap("a", "3"))
	write(t, filepath.Join(v.dir, "b.yaml"), configMap("b", "1"))
	v.look(mirror{"a": "3", "b": "1"}, "a.yaml", "b.yaml")
}

// TestNewFolderIsLookedAtAgain: files may have come between the scan that found
// the folder and its watch.
func TestNewFolderIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	v := newTold(t, oneOld(t))
	v.watch()
	must(t, os.Mkdir(filepath.Join(v.dir, "x"), 0o755))
	v.look(mirror{"a": "1"}, "x")
	write(t, filepath.Join(v.dir, "x", "b.yaml"), configMap("b", "1"))
	v.look(mirror{"a": "1", "b": "1"})
}

// watch gives the watcher real watches, whose events nobody reads.
func (v *told) watch() {
	v.t.Helper()
	fs, err := fsnotify.NewWatcher()
	must(v.t, err)
	v.t.Cleanup(func() { fs.Close() })
	v.fs = fs
	v.follow()
	v.all = false
}

// TestFoldersAreNoLongerWatched when nothing leads to them any more.
func TestFoldersAreNoLongerWatched(t *testing.T) {
	t.Parallel()
	elsewhere := t.TempDir()
	write(t, filepath.Join(elsewhere, "text"), configMap("b", "1"))
	v := newTold(t, func(dir string) {
		oneOld(t)(dir)
		must(t, os.Symlink(filepath.Join(elsewhere, "text"), filepath.Join(dir, "b.yaml")))
	})
	v.watch()
	if !slices.Contains(v.fs.WatchList(), elsewhere) {
		t.Fatalf("watches %v, want %s too", v.fs.WatchList(), elsewhere)
	}
	must(t, os.Remove(filepath.Join(v.dir, "b.yaml")))
	v.look(mirror{"a": "1"}, "b.yaml")
	if slices.Contains(v.fs.WatchList(), elsewhere) || v.watched[elsewhere] || !slices.Contains(v.fs.WatchList(), v.dir) {
		t.Errorf("watches %v, want %s", v.fs.WatchList(), v.dir)
	}
}

// TestProblemsAreNews: who watches learns of a problem although no object has
// changed, and sees the new ones.
func TestProblemsAreNews(t *testing.T) {
	t.Parallel()
	v := newTold(t, oneOld(t))
	if text := problemText(v.loader); text != "" {
		t.Fatal(text)
	}
	write(t, filepath.Join(v.dir, "a.yaml"), configMap("a", "1")+"a: [")
	v.look(mirror{"a": "1"}, "a.yaml")
	if text := problemText(v.loader); v.calls != 1 || !strings.Contains(text, CodeSyntax) {
		t.Errorf("told %d times, problems:\n%s", v.calls, text)
	}
	v.look(mirror{"a": "1"})
	if v.calls != 1 {
		t.Errorf("told %d times of one change", v.calls)
	}
}
