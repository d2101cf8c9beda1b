package main

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"
)

// kind is one kind of traffic: clients that do the same again and again.
type kind struct {
	name    string
	clients int
	// once does it a single time. An error is one that an honest client must not
	// see. It may run on for a moment when ctx ends.
	once func(ctx context.Context, random *rand.Rand) error

	done, failed atomic.Int64
	longest      atomic.Int64 // of those that were done, in nanoseconds
}

// told is how many errors of one kind are told one by one.
const told = 5

func (k *kind) repeat(ctx context.Context, n int) {
	random := rand.New(rand.NewPCG(uint64(n), 0))
	for ctx.Err() == nil {
		start := time.Now()
		if err := k.once(ctx, random); err != nil {
			if k.failed.Add(1) <= told {
				log.Printf("%s: %v", k.name, err)
			}
			continue
		}
		k.done.Add(1)
		took := int64(time.Since(start))
		for old := k.longest.Load(); took > old && !k.longest.CompareAndSwap(old, took); old = k.longest.Load() {
		}
	}
}

func table(kinds []*kind) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-28s %10s %8s %12s\n", "traffic", "done", "errors", "longest")
	for _, k := range kinds {
		fmt.Fprintf(&b, "%-28s %10d %8d %12s\n", k.name, k.done.Load(), k.failed.Load(), time.Duration(k.longest.Load()).Round(time.Millisecond))
	}
	return b.String()
}
