package kube

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/store"
)

// fetchTimeout bounds the time that an Ingress waits for one of its Secrets.
const fetchTimeout = 2 * time.Second

// fetchers read at the same time: a thousand new Ingresses with a Secret each
// are read in as many round trips as there are in a hundred.
const fetchers = 10

// fetches are objects that wait for the data of others, at most one entry per
// object.
type fetches struct {
	// wake has a token for each fetcher: whoever is awake reads until nothing
	// waits, so that a token more would wake nobody.
	wake    chan struct{}
	waiting map[store.Key]*fetch
}

// fetch is one object that waits.
type fetch struct {
	missing []store.Key
	begun   bool
}

func newFetches() fetches {
	return fetches{wake: make(chan struct{}, fetchers), waiting: map[store.Key]*fetch{}}
}

// add has an object wait. What was missing for an older version of it is not
// waited for any more.
func (f *fetches) add(owner store.Key, missing []store.Key) {
	f.waiting[owner] = &fetch{missing: missing}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *fetches) forget(owner store.Key) { delete(f.waiting, owner) }

// next returns any waiting object that nobody reads for yet.
func (f *fetches) next() (owner store.Key, one *fetch) {
	for owner, one = range f.waiting {
		if !one.begun {
			one.begun = true
			return owner, one
		}
	}
	return owner, nil
}

// fetchLoop reads what has become of interest until ctx ends.
func (s *Source) fetchLoop(ctx context.Context) {
	failed := failures{keys: map[store.Key]bool{}}
	var reading sync.WaitGroup
	defer reading.Wait()
	for range fetchers {
		reading.Go(func() { s.fetchWaiting(ctx, &failed) })
	}
	retry := time.NewTicker(time.Second)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-retry.C:
			for _, key := range failed.take() {
				s.fetchOne(ctx, key, &failed)
			}
		}
	}
}

// fetchWaiting is one of the fetchers.
func (s *Source) fetchWaiting(ctx context.Context, failed *failures) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.fetches.wake:
		}
		for ctx.Err() == nil {
			s.mu.Lock()
			owner, one := s.fetches.next()
			s.mu.Unlock()
			if one == nil {
				break
			}
			for _, key := range one.missing {
				s.fetchOne(ctx, key, failed)
			}
			s.release(owner, one)
		}
	}
}

// release publishes an object that has waited, unless there is a newer version
// of it that waits for something else.
func (s *Source) release(owner store.Key, one *fetch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fetches.waiting[owner] != one {
		return
	}
	s.fetches.forget(owner)
	n := s.sinkOf(owner)
	if n == nil {
		return
	}
	if o := n.have[owner]; s.wanted(owner, o) {
		s.queue.put(owner, o)
	}
}

// failures are objects that could not be read.
type failures struct {
	mu   sync.Mutex
	keys map[store.Key]bool
}

func (f *failures) add(key store.Key) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keys[key] = true
}

// take returns and forgets them.
func (f *failures) take() []store.Key {
	f.mu.Lock()
	defer f.mu.Unlock()
	keys := slices.Collect(maps.Keys(f.keys))
	clear(f.keys)
	return keys
}

func (s *Source) fetchOne(ctx context.Context, key store.Key, failed *failures) {
	s.mu.Lock()
	n := s.sinkOf(key)
	needed := n != nil && isStub(n.have[key]) && s.refs.has(key)
	s.mu.Unlock()
	if !needed {
		return // deleted meanwhile, or read for another object
	}
	o, err := s.Cluster.one(ctx, s.patience, &n.kind, key)
	if err != nil {
		if ctx.Err() == nil {
			s.Logger.Warn("object not read; trying again", "kind", key.Kind, "namespace", key.Namespace, "name", key.Name, "err", reason(err))
		}
		failed.add(key)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// Whatever the watch has said meanwhile is newer.
	if o != nil && isStub(n.have[key]) && s.refs.has(key) {
		s.put(n, o)
	}
}

// one reads one object; nil means that there is none. It lists by name: the
// permissions of ingress-nginx let it list Secrets, not get them.
func (c *Cluster) one(ctx context.Context, patience time.Duration, k *kind, key store.Key) (store.Object, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	list := k.list()
	err := k.client(c).Get().NamespaceIfScoped(key.Namespace, key.Namespace != "").Resource(k.resource).
		VersionedParams(&metav1.ListOptions{FieldSelector: "metadata.name=" + key.Name}, c.parameters).Do(ctx).Into(list)
	if err != nil {
		return nil, err
	}
	items, err := meta.ExtractList(list)
	if err != nil || len(items) == 0 {
		return nil, err
	}
	o, _ := items[0].(store.Object)
	return o, nil
}
