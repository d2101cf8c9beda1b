package kube

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/store"
)

// fetchTimeout bounds the time that an Ingress waits for its Secrets.
const fetchTimeout = 2 * time.Second

// fetches are objects that wait for the data of others, at most one entry per
// object.
type fetches struct {
	wake    chan struct{}
	waiting map[store.Key][]store.Key
}

func newFetches() fetches {
	return fetches{wake: make(chan struct{}, 1), waiting: map[store.Key][]store.Key{}}
}

func (f *fetches) add(owner store.Key, missing []store.Key) {
	f.waiting[owner] = missing
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *fetches) forget(owner store.Key) { delete(f.waiting, owner) }

// next returns any waiting object.
func (f *fetches) next() (owner store.Key, missing []store.Key, ok bool) {
	for owner, missing = range f.waiting {
		return owner, missing, true
	}
	return owner, nil, false
}

// fetchLoop reads what has become of interest until ctx ends.
func (s *Source) fetchLoop(ctx context.Context) {
	retry := time.NewTicker(time.Second)
	defer retry.Stop()
	failed := map[store.Key]bool{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.fetches.wake:
		case <-retry.C:
			for key := range failed {
				delete(failed, key)
				s.fetchOne(ctx, key, failed)
			}
		}
		for {
			s.mu.Lock()
			owner, missing, ok := s.fetches.next()
			s.mu.Unlock()
			if !ok || ctx.Err() != nil {
				break
			}
			for _, key := range missing {
				s.fetchOne(ctx, key, failed)
			}
			s.release(owner)
		}
	}
}

// release publishes an object that has waited.
func (s *Source) release(owner store.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetches.forget(owner)
	n := s.sinkOf(owner)
	if n == nil {
		return
	}
	if o := n.have[owner]; s.wanted(owner, o) {
		s.queue.put(owner, o)
	}
}

func (s *Source) fetchOne(ctx context.Context, key store.Key, failed map[store.Key]bool) {
	s.mu.Lock()
	n := s.sinkOf(key)
	s.mu.Unlock()
	if n == nil {
		return // deleted meanwhile
	}
	o, err := s.Cluster.one(ctx, &n.kind, key)
	if err != nil {
		if ctx.Err() == nil {
			s.Logger.Warn("object not read; trying again", "kind", key.Kind, "namespace", key.Namespace, "name", key.Name, "err", err)
		}
		failed[key] = true
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
func (c *Cluster) one(ctx context.Context, k *kind, key store.Key) (store.Object, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
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
