package l4

import (
	"net/netip"
	"time"
)

// flow is the datagrams of one client to one frontend, and their endpoint. It
// belongs to its frontend's loop.
type flow struct {
	reg        registration
	front      *frontend
	client     netip.AddrPort
	name       sockaddr // client as the kernel wants it
	nameLen    uint32
	to         netip.AddrPort
	replied    bool
	asked, got uint64 // datagrams
	ended      bool
	session    *session // nil: nobody wants to know

	// guarded by the flowTable
	prev, next *flow
	used       time.Time
	inReplied  bool
}

// flowTable orders the flows of a loop by their last use. Those that were
// answered may idle for longer.
type flowTable struct {
	replied, unreplied flowList
}

// flowList has the flow that was used last in front.
type flowList struct{ first, last *flow }

func (t *flowList) pushFront(w *flow) {
	w.prev, w.next = nil, t.first
	if t.first != nil {
		t.first.prev = w
	} else {
		t.last = w
	}
	t.first = w
}

func (t *flowList) remove(w *flow) {
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		t.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		t.last = w.prev
	}
	w.prev, w.next = nil, nil
}

func (t *flowTable) list(replied bool) *flowList {
	if replied {
		return &t.replied
	}
	return &t.unreplied
}

func (t *flowTable) add(w *flow, now time.Time) {
	w.used, w.inReplied = now, w.replied
	t.list(w.inReplied).pushFront(w)
}

func (t *flowTable) remove(w *flow) { t.list(w.inReplied).remove(w) }

// touch says that a flow was used.
func (t *flowTable) touch(w *flow, now time.Time) {
	list := t.list(w.inReplied)
	if list.first == w && w.inReplied == w.replied {
		w.used = now
		return
	}
	list.remove(w)
	t.add(w, now)
}

// oldest is the flow to give up first: one that nobody answered if there is
// any.
func (t *flowTable) oldest() *flow {
	if t.unreplied.last != nil {
		return t.unreplied.last
	}
	return t.replied.last
}

func (l *loop) expireFlows() {
	replied, unreplied := l.server.flowTimes()
	for w := l.flows.unreplied.last; w != nil && l.now.Sub(w.used) >= unreplied; w = l.flows.unreplied.last {
		w.end(l)
	}
	for w := l.flows.replied.last; w != nil && l.now.Sub(w.used) >= replied; w = l.flows.replied.last {
		w.end(l)
	}
}

// roomForFlow takes a place for one more flow, by ending the oldest of this
// loop when there is none.
func (l *loop) roomForFlow() bool {
	s := l.server
	if s.udp.Add(1) <= int64(s.config.MaxFlows) {
		return true
	}
	if w := l.flows.oldest(); w != nil {
		l.count.flowsEvicted.Add(1)
		w.end(l)
		return true
	}
	s.udp.Add(-1) // all belong to other loops
	return false
}

// end closes a flow.
func (w *flow) end(l *loop) {
	if w.ended {
		return
	}
	w.ended = true
	l.forget(&w.reg)
	closeSocket(w.reg.fd)
	l.flows.remove(w)
	delete(w.front.flows, w.client)
	l.server.udp.Add(-1)
	w.session.end(l.server, false)
}
