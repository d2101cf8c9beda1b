// Package tap shows finished requests to whoever watches: a live sample, with
// what may be a credential left out.
//
//	t := tap.New()
//	w, err := t.Watch(tap.Filter{Host: "shop.example"}, 20)
//	defer w.Close()
//	for s := range w.Samples() { … } // until the caller has enough
//
// It turns requests into samples. While nobody watches it costs the data side
// one load of a pointer; a watcher that is slow, or traffic beyond its rate,
// loses samples and never delays a request. It knows nothing of where samples
// are shown, and starts no goroutines.
package tap

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"daemun/internal/http1"
)

const (
	// maxWatchers bounds who watches at one time.
	maxWatchers = 16
	// queued is the number of samples that wait for a watcher.
	queued = 128
	// slice is the time over which a rate is kept, so that a sample is spread
	// over the second.
	slice = 100 * time.Millisecond
	// MaxRate bounds the samples per second of one watcher.
	MaxRate = 500
	// DefaultRate is how many a watcher gets that does not say.
	DefaultRate = 50
)

// ErrFull says that too many watch already.
var ErrFull = errors.New("16 others watch requests already: end one of them")

// Tap is safe for concurrent use. A nil *Tap is never watched.
type Tap struct {
	// watchers is nil while nobody watches; the slice is never written after
	// the store.
	watchers atomic.Pointer[[]*Watcher]
	mu       sync.Mutex // serialises changes of watchers
}

// New returns a tap that nobody watches.
func New() *Tap { return &Tap{} }

// Watched reports whether anybody would see a request.
func (t *Tap) Watched() bool { return t != nil && t.watchers.Load() != nil }

// Request is one finished request. Its slices are read during Offer only.
type Request struct {
	Time   time.Time // of the end
	Took   time.Duration
	Client netip.Addr
	Secure bool
	Method []byte
	// Host is canonical, Path as received; Query is without "?".
	Host, Path, Query []byte
	// RouteHost, RoutePath and the rest name the route, empty without one.
	RouteHost, RoutePath, Ingress string
	// Backend was asked at Endpoint, the last of Attempts; empty when nobody
	// was.
	Backend, Endpoint string
	Attempts          int
	Status            int
	Received, Sent    int64 // octets
	Fields            []http1.Field
	ID                []byte
}

// Offer shows a request to those who want to see it. It never blocks.
func (t *Tap) Offer(r *Request) {
	watchers := t.watchers.Load()
	if watchers == nil {
		return
	}
	var made *Sample
	for _, w := range *watchers {
		if !w.filter.matches(r) {
			continue
		}
		if !w.admit(r.Time) {
			w.skipped.Add(1)
			continue
		}
		if made == nil {
			made = sampleOf(r)
		}
		select {
		case w.samples <- made:
		default:
			w.skipped.Add(1)
		}
	}
}

// Watch begins to watch, with at most rate samples per second; 0 is
// DefaultRate. The caller closes the watcher.
func (t *Tap) Watch(f Filter, rate int) (*Watcher, error) {
	if rate <= 0 {
		rate = DefaultRate
	}
	w := &Watcher{tap: t, filter: f, samples: make(chan *Sample, queued), perSlice: int64(max(1, min(rate, MaxRate)*int(slice)/int(time.Second)))}
	t.mu.Lock()
	defer t.mu.Unlock()
	var now []*Watcher
	if old := t.watchers.Load(); old != nil {
		now = slices.Clone(*old)
	}
	if len(now) >= maxWatchers {
		return nil, ErrFull
	}
	now = append(now, w)
	t.watchers.Store(&now)
	return w, nil
}

// Watcher is somebody who watches. It is safe for concurrent use.
type Watcher struct {
	tap      *Tap
	filter   Filter
	samples  chan *Sample
	perSlice int64

	skipped atomic.Uint64
	// current is the slice of time, taken the samples of it.
	current, taken atomic.Int64
}

// Samples delivers what was seen. Samples are shared with other watchers and
// must not be changed. The channel is never closed.
func (w *Watcher) Samples() <-chan *Sample { return w.samples }

// Skipped is how many requests matched and were left out, because there were
// more than the rate or than the watcher took.
func (w *Watcher) Skipped() uint64 { return w.skipped.Load() }

// admit keeps to the rate. Two requests that begin a slice of time at once may
// let one more pass: that does no harm.
func (w *Watcher) admit(now time.Time) bool {
	at := now.UnixNano() / int64(slice)
	if before := w.current.Load(); before != at && w.current.CompareAndSwap(before, at) {
		w.taken.Store(0)
	}
	return w.taken.Add(1) <= w.perSlice
}

// Close ends watching. What is in the channel stays there.
func (w *Watcher) Close() {
	t := w.tap
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.watchers.Load()
	if old == nil {
		return
	}
	now := slices.DeleteFunc(slices.Clone(*old), func(o *Watcher) bool { return o == w })
	if len(now) == 0 {
		t.watchers.Store(nil)
		return
	}
	t.watchers.Store(&now)
}
