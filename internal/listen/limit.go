package listen

import (
	"os"
	"sync"
	"syscall"
)

// minConnections is what a process may always have, however low its limit of
// open files is set.
const minConnections = 64

// Limit bounds the open connections of the listeners that share it (H6.13). A
// waiting accept holds one place per listener.
type Limit struct{ slots chan struct{} }

// NewLimit returns a limit of n connections; at least 64.
func NewLimit(n int) *Limit { return newLimit(max(n, minConnections)) }

func newLimit(n int) *Limit { return &Limit{make(chan struct{}, n)} }

// DefaultMaxConnections is (open files − 1024) / 2: every client connection
// may need one to a backend, and the rest of the process some for itself. With
// fewer than 2048 open files it is a quarter of them.
func DefaultMaxConnections() int {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return minConnections
	}
	return maxConnections(r.Cur)
}

func maxConnections(openFiles uint64) int {
	// "unlimited" is a huge number; nothing here needs more than this.
	n := int(min(openFiles, 4<<20))
	if n < 2048 {
		return max(n/4, minConnections)
	}
	return max((n-1024)/2, n/4)
}

func (l *Limit) tryAcquire() bool {
	select {
	case l.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

func (l *Limit) release() { <-l.slots }

// spare is a descriptor kept in reserve: with no descriptor left a connection
// cannot even be accepted to be closed, and its client would hang (H11.10).
type spare struct {
	mu   sync.Mutex
	file *os.File
	done bool
}

func newSpare() *spare {
	s := &spare{}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.take()
	return s
}

// take opens the reserve if there is none. The caller holds mu.
func (s *spare) take() {
	if s.file == nil && !s.done {
		// On failure the next shortage is met without a reserve.
		s.file, _ = os.Open(os.DevNull)
	}
}

// use gives the reserve up while f runs.
func (s *spare) use(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
	f()
	s.take()
}

func (s *spare) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = true
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
}
