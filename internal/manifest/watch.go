package manifest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"

	"daemun/internal/store"
)

const (
	// quiet is how long no further event must come before files are read;
	// bound is how long a stream of events may put the reading off.
	quiet = 3 * time.Millisecond
	bound = 20 * time.Millisecond
	// emptied is how long a file that has just become empty is given to get
	// its new content: truncating and writing are two steps, and in between
	// all last good objects would be lost.
	emptied = 100 * time.Millisecond
	// rescan finds what no event told: network file systems, too many
	// watches, targets of links.
	rescan = 2 * time.Second
)

// Watch follows changes of the files until ctx ends, and calls changed after
// each reading that found one. The Change may be empty: then only problems
// changed. Calls do not overlap; Watch runs everything on the caller's
// goroutine and returns nil when ctx ends. Without working file events it
// still notices changes within two seconds. Load must have been called before.
func (l *Loader) Watch(ctx context.Context, changed func(Change)) error {
	w := newWatcher(l)
	if fs, err := fsnotify.NewWatcher(); err == nil {
		w.fs, w.events, w.errors = fs, fs.Events, fs.Errors
		defer fs.Close()
	}
	w.follow()
	// What changed between Load and the first watch.
	w.all = true
	w.load(changed)
	return w.run(ctx, changed)
}

type watcher struct {
	loader *Loader
	rescan time.Duration
	fs     *fsnotify.Watcher // nil: only rescans
	events <-chan fsnotify.Event
	errors <-chan error
	// watched are the folders fs watches.
	watched map[string]bool
	// pending are the paths of events since first; all says that they are
	// not enough to know what changed.
	pending map[string]bool
	all     bool
	first   time.Time
	// unsettled says that pending holds files to look at again soon.
	unsettled bool
}

func newWatcher(l *Loader) *watcher {
	return &watcher{loader: l, rescan: rescan, watched: map[string]bool{}, pending: map[string]bool{}}
}

// run ends with ctx. Four things happen: an event, an error of the events
// (some were lost), the end of a quiet time, the time for a rescan.
func (w *watcher) run(ctx context.Context, changed func(Change)) error {
	tick := time.NewTicker(w.rescan)
	defer tick.Stop()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	if w.all || w.unsettled {
		timer.Reset(quiet)
	} else {
		timer.Stop()
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-w.events:
			if e.Op == fsnotify.Chmod && e.Name == "" {
				continue
			}
			w.note(e.Name)
			timer.Reset(w.wait())
		case <-w.errors:
			w.all = true
			timer.Reset(quiet)
		case <-timer.C:
			w.load(changed)
		case <-tick.C:
			if len(w.pending) == 0 {
				w.all = true
				w.load(changed)
			}
		}
		// New folders, where files may have come before the watch, or files
		// that are being written.
		if w.all || w.unsettled {
			timer.Reset(quiet)
		}
	}
}

func (w *watcher) note(path string) {
	if len(w.pending) == 0 {
		w.first = time.Now()
	}
	w.pending[filepath.Clean(path)] = true
}

// wait is the quiet time, cut at the bound.
func (w *watcher) wait() time.Duration {
	return max(0, min(quiet, bound-time.Since(w.first)))
}

func (w *watcher) load(changed func(Change)) {
	w.loader.mu.Lock()
	w.loader.unsettled = nil
	c, news, ok := Change{}, false, false
	if !w.all {
		c, news, ok = w.loader.loadFiles(w.pending)
	}
	if !ok {
		for path := range w.pending { // whatever their times say
			if f := w.loader.files[path]; f != nil {
				f.racy = true
			}
		}
		c, news, _ = w.loader.load() // no error after the first Load
	}
	again := w.loader.unsettled
	w.loader.mu.Unlock()
	clear(w.pending)
	w.all, w.unsettled = false, len(again) > 0
	for _, path := range again {
		w.note(path)
	}
	if !ok {
		w.follow()
	}
	if news || !c.Empty() {
		changed(c)
	}
}

// follow watches the folders of the last scan, and no others.
func (w *watcher) follow() {
	if w.fs == nil {
		return
	}
	w.loader.mu.Lock()
	want := w.loader.folders
	w.loader.mu.Unlock()
	for folder := range w.watched {
		if !want[folder] {
			_ = w.fs.Remove(folder) // it may be gone already
			delete(w.watched, folder)
		}
	}
	for folder := range want {
		// A folder that was deleted and made anew needs a new watch, and
		// adding twice is harmless. Errors leave the rescan.
		fresh := !w.watched[folder]
		if w.fs.Add(folder) == nil {
			w.watched[folder] = true
			w.all = w.all || fresh && w.loader.hasLoaded()
		}
	}
}

func (l *Loader) hasLoaded() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.loaded
}

// loadFiles reads the files of events without a scan. ok is false when the
// events do not tell enough: folders, links, hidden names.
func (l *Loader) loadFiles(paths map[string]bool) (c Change, news, ok bool) {
	infos := map[string]os.FileInfo{}
	for path := range paths {
		info, err := os.Lstat(path)
		known := l.files[path] != nil
		if !known && l.foreign(path, info, err) {
			continue
		}
		if err != nil || !info.Mode().IsRegular() || !known {
			return Change{}, false, false
		}
		infos[path] = info
	}
	if len(infos) == 0 {
		return Change{}, false, true
	}
	touched := map[store.Key]bool{}
	for path, info := range infos {
		l.read(path, info, touched)
	}
	l.problems = nil
	return l.difference(touched), true, true
}

// foreign reports whether a path that holds no objects cannot come to hold any
// either. Editors write such files beside those that they save. What links lead
// to may have any name.
func (l *Loader) foreign(path string, info os.FileInfo, err error) bool {
	if wantedName(path) || l.folders[path] || l.targets[filepath.Dir(path)] || slices.ContainsFunc(l.paths, func(p string) bool { return filepath.Clean(p) == path }) {
		return false
	}
	return errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().IsRegular()
}
