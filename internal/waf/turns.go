package waf

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxWait is how long a request waits for its turn.
	maxWait = 10 * time.Second
	// maxWaiting bounds those that wait, as each keeps its body meanwhile.
	maxWaiting = 1024
)

// turns bounds how many run at once: rules take processors, and what they have
// begun goes on even when the client has left. The turns go round the groups
// that wait, one each, so that a group stands in its own way only, however many
// it sends.
type turns struct {
	most    int
	wait    time.Duration
	refused atomic.Uint64

	mu      sync.Mutex // guards the following
	running int
	waiting int
	// groups wait, at each time every one of them with somebody; the next turn
	// is that of the first.
	groups []*group
}

// group is those of one name who wait, the first one first.
type group struct {
	name  string
	queue []chan bool
}

func newTurns(n int, wait time.Duration) *turns { return &turns{most: n, wait: wait} }

// take waits for a turn of a group and reports whether there is one; give ends
// it.
func (t *turns) take(name string) bool {
	mine := t.enter(name)
	if mine == nil {
		return true
	}
	timer := time.NewTimer(t.wait)
	defer timer.Stop()
	select {
	case ok := <-mine:
		return ok
	case <-timer.C:
	}
	if t.leave(name, mine) {
		return false
	}
	return <-mine // it came at the same time
}

// enter takes a turn that is free, and returns nil, or joins those that wait.
func (t *turns) enter(name string) chan bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running < t.most {
		t.running++
		return nil
	}
	mine := make(chan bool, 1)
	if t.waiting >= maxWaiting && !t.makeRoom(name) {
		t.refused.Add(1)
		mine <- false
		return mine
	}
	t.waiting++
	g := t.find(name)
	if g == nil {
		g = &group{name: name}
		t.groups = append(t.groups, g)
	}
	g.queue = append(g.queue, mine)
	return mine
}

func (t *turns) find(name string) *group {
	if i := slices.IndexFunc(t.groups, func(g *group) bool { return g.name == name }); i >= 0 {
		return t.groups[i]
	}
	return nil
}

// makeRoom turns away who came last to the group that is longest, unless that is
// no longer than the one of who asks would be. The caller holds mu.
func (t *turns) makeRoom(name string) bool {
	longest := slices.MaxFunc(t.groups, func(a, b *group) int { return len(a.queue) - len(b.queue) })
	length := 1
	if g := t.find(name); g != nil {
		length += len(g.queue)
	}
	if len(longest.queue) <= length {
		return false
	}
	last := longest.queue[len(longest.queue)-1]
	t.remove(longest, last)
	t.refused.Add(1)
	last <- false
	return true
}

// remove takes one out of those that wait. The caller holds mu.
func (t *turns) remove(g *group, one chan bool) {
	i := slices.Index(g.queue, one)
	g.queue = slices.Delete(g.queue, i, i+1)
	t.waiting--
	if len(g.queue) == 0 {
		t.groups = slices.DeleteFunc(t.groups, func(o *group) bool { return o == g })
	}
}

// leave ends the wait of one whom nothing has been told, and reports whether it
// was so.
func (t *turns) leave(name string, mine chan bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.find(name)
	if g == nil || !slices.Contains(g.queue, mine) {
		return false
	}
	t.remove(g, mine)
	t.refused.Add(1)
	return true
}

// give passes a turn on.
func (t *turns) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.groups) == 0 {
		t.running--
		return
	}
	g := t.groups[0]
	first := g.queue[0]
	t.groups = append(t.groups[1:], g) // its next turn is after those of all others
	t.remove(g, first)
	first <- true
}
