package daemon

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
)

// group runs the long-lived goroutines of one Daemun. The first member that
// returns an error ends the others; wait returns when all have returned.
type group struct {
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu   sync.Mutex
	errs []error
}

// newGroup returns a group whose members get a context that ends with ctx.
func newGroup(ctx context.Context) *group {
	g := &group{}
	g.ctx, g.cancel = context.WithCancel(ctx)
	return g
}

// start runs one member. A member returns nil when its context ends.
func (g *group) start(name string, run func(ctx context.Context) error) {
	g.wg.Go(func() {
		err := guarded(g.ctx, run)
		if err == nil {
			return
		}
		g.mu.Lock()
		g.errs = append(g.errs, fmt.Errorf("%s: %w", name, err))
		g.mu.Unlock()
		g.cancel()
	})
}

// guarded turns a panic of a member into an error: the program then stops in
// order, with every process it started, instead of dying on the spot.
func guarded(ctx context.Context, run func(context.Context) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return run(ctx)
}

// stop asks all members to end and waits for them.
func (g *group) stop() error {
	g.cancel()
	g.wg.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	return errors.Join(g.errs...)
}
