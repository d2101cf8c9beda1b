package kube

import (
	"context"
	"sync"
	"time"

	"daemun/internal/store"
)

// restTime is the least time between two store updates: each copies the maps it
// changes, and in a storm many events share one copy.
const restTime = 2 * time.Millisecond

// queue holds changes until the store takes them. It keeps one per object, the
// newest, so that it never holds more than there are objects.
type queue struct {
	store *store.Store
	wake  chan struct{}

	mu      sync.Mutex
	pending map[store.Key]store.Object // nil: deleted
	// whenEmpty is closed once everything up to it is in the store.
	whenEmpty chan struct{}
}

func newQueue(s *store.Store) *queue {
	return &queue{store: s, wake: make(chan struct{}, 1), pending: map[store.Key]store.Object{}}
}

// put adds or replaces an object; nil deletes it.
func (q *queue) put(k store.Key, o store.Object) {
	q.mu.Lock()
	q.pending[k] = o
	q.mu.Unlock()
	q.signal()
}

// closeAfter closes done when all that is queued by now is in the store.
func (q *queue) closeAfter(done chan struct{}) {
	q.mu.Lock()
	q.whenEmpty = done
	q.mu.Unlock()
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// run feeds the store until ctx ends.
func (q *queue) run(ctx context.Context) {
	rest := time.NewTimer(0)
	defer rest.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.wake:
		}
		q.flush()
		rest.Reset(restTime)
		select {
		case <-ctx.Done():
			return
		case <-rest.C:
		}
	}
}

func (q *queue) flush() {
	q.mu.Lock()
	changes, done := q.pending, q.whenEmpty
	q.pending, q.whenEmpty = map[store.Key]store.Object{}, nil
	q.mu.Unlock()
	if len(changes) > 0 {
		q.store.Update(func(tx *store.Tx) {
			for k, o := range changes {
				if o == nil {
					tx.Delete(k)
				} else {
					tx.Put(o)
				}
			}
		})
	}
	if done != nil {
		close(done)
	}
}
