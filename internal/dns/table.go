package dns

import "hash/maphash"

// table is an immutable hash table: an edit makes a new one that shares all
// buckets that did not change. It costs a copy of the bucket list (some µs for
// thousands of entries) plus the buckets that are touched, and lookups are
// those of an ordinary table.
type table[V any] struct {
	seed    maphash.Seed
	buckets [][]slot[V] // a power of two of them, or none
	count   int
}

type slot[V any] struct {
	key   string
	value V
}

// bucketLoad is how many entries a bucket has on average before the table
// grows.
const bucketLoad = 3

func newTable[V any]() *table[V] { return &table[V]{seed: maphash.MakeSeed()} }

func (t *table[V]) get(key []byte) (v V, ok bool) {
	if t.count == 0 {
		return v, false
	}
	bucket := t.buckets[maphash.Bytes(t.seed, key)&uint64(len(t.buckets)-1)]
	for i := range bucket {
		if bucket[i].key == string(key) {
			return bucket[i].value, true
		}
	}
	return v, false
}

// edit is a table in the making. The zero value of owned means that nothing
// was touched yet.
type edit[V any] struct {
	from  *table[V]
	to    *table[V]
	owned []bool // buckets that are of this edit and may be written
}

func (t *table[V]) edit() *edit[V] { return &edit[V]{from: t} }

// done returns the new table, or the old one if nothing was written.
func (e *edit[V]) done() *table[V] {
	if e.to == nil {
		return e.from
	}
	t := e.to
	e.to, e.owned = nil, nil
	return t
}

func (e *edit[V]) current() *table[V] {
	if e.to != nil {
		return e.to
	}
	return e.from
}

func (e *edit[V]) get(key string) (v V, ok bool) { return e.current().get([]byte(key)) }

func (e *edit[V]) begin() {
	if e.to != nil {
		return
	}
	e.to = &table[V]{seed: e.from.seed, count: e.from.count, buckets: append([][]slot[V](nil), e.from.buckets...)}
	e.owned = make([]bool, len(e.to.buckets))
}

// bucket returns the bucket of key, which may be written from now on.
func (e *edit[V]) bucket(key string) *[]slot[V] {
	i := maphash.String(e.to.seed, key) & uint64(len(e.to.buckets)-1)
	if !e.owned[i] {
		e.owned[i] = true
		e.to.buckets[i] = append(make([]slot[V], 0, len(e.to.buckets[i])+1), e.to.buckets[i]...)
	}
	return &e.to.buckets[i]
}

func (e *edit[V]) set(key string, v V) {
	e.begin()
	if e.to.count >= bucketLoad*len(e.to.buckets) {
		e.grow()
	}
	bucket := e.bucket(key)
	for i := range *bucket {
		if (*bucket)[i].key == key {
			(*bucket)[i].value = v
			return
		}
	}
	*bucket = append(*bucket, slot[V]{key, v})
	e.to.count++
}

func (e *edit[V]) remove(key string) {
	if _, ok := e.get(key); !ok {
		return
	}
	e.begin()
	bucket := e.bucket(key)
	for i := range *bucket {
		if (*bucket)[i].key == key {
			last := len(*bucket) - 1
			(*bucket)[i] = (*bucket)[last]
			(*bucket)[last] = slot[V]{}
			*bucket = (*bucket)[:last]
			e.to.count--
			return
		}
	}
}

// grow doubles the buckets until they are loaded by half.
func (e *edit[V]) grow() {
	n := max(8, len(e.to.buckets))
	for n*bucketLoad/2 <= e.to.count {
		n *= 2
	}
	old := e.to.buckets
	e.to.buckets = make([][]slot[V], n)
	e.owned = make([]bool, n)
	for i := range e.owned {
		e.owned[i] = true
	}
	for _, bucket := range old {
		for _, s := range bucket {
			i := maphash.String(e.to.seed, s.key) & uint64(n-1)
			e.to.buckets[i] = append(e.to.buckets[i], s)
		}
	}
}
