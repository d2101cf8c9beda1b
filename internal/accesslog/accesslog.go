// Package accesslog turns finished requests, and sessions of TCP and UDP
// services, into lines of text in a format with nginx's variables (spec §10.1).
//
// Lines are formatted by the goroutine of the request into a pooled buffer and
// written by one writer goroutine through a bounded queue: a slow or full
// destination drops lines and counts them, it never delays a request (H6.23).
// It knows nothing of where the figures come from.
package accesslog

import (
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"daemun/internal/variable"
)

// Attempt is one try at an upstream.
type Attempt struct {
	Addr           string // "10.0.0.1:8080"
	ResponseLength int64
	ResponseTime   time.Duration // negative: none
	Status         int           // 0: none
	// Connected says that ConnectTime has a value; 0 is a pooled connection.
	Connected   bool
	ConnectTime time.Duration
	HeaderTime  time.Duration // until the response head was read; 0: it was not
	// Octets of heads and bodies.
	BytesSent, BytesReceived int64
}

// Entry is one request. Byte slices are only read during Log.
type Entry struct {
	Time       time.Time // when the request was finished
	Remote     netip.Addr
	RemoteUser []byte
	// Request is the request line as received: Method, Target, Proto.
	Method, Target, Proto []byte
	Status                int
	BodyBytesSent         int64
	Referer, UserAgent    []byte
	RequestLength         int64
	RequestTime           time.Duration
	UpstreamName          string // "namespace-service-port"
	AlternativeName       string
	Attempts              []Attempt
	RequestID             []byte
	// Source has the variables that are not among these; nil has none.
	Source variable.Source
}

const (
	defaultQueue = 4 << 20
	// maxPooled bounds the line buffers that go back to the pool; a line of
	// the default format with every field at its bound is below it.
	maxPooled = 16 << 10
)

// Config says where lines go.
type Config struct {
	// Writer receives whole lines, many in one Write; only Run writes to it.
	Writer io.Writer
	// QueueBytes bounds the lines that wait for Writer, those being written
	// included; 0 is 4 MiB.
	QueueBytes int
	// Location is the time zone of the lines; nil is the local one.
	Location *time.Location
}

// Log is safe for concurrent use. A nil *Log drops everything.
type Log struct {
	settings atomic.Pointer[settings]
	clock    clock
	queue    *queue
	lines    sync.Pool // *buffers
	written  atomic.Uint64
	err      atomic.Pointer[error] // of the last Write
	dropped  atomic.Uint64
}

// New returns a log; its lines wait until Run is called.
func New(c Config) *Log {
	if c.QueueBytes <= 0 {
		c.QueueBytes = defaultQueue
	}
	if c.Location == nil {
		c.Location = time.Local
	}
	l := &Log{clock: clock{location: c.Location}, queue: newQueue(c.Writer, c.QueueBytes)}
	l.Use(Settings{})
	return l
}

// buffers are what one line is made in.
type buffers struct{ line, scratch []byte }

// Log formats and queues one entry. It never blocks on the destination: when
// the queue is full the line is dropped and counted.
func (l *Log) Log(e *Entry) {
	if l == nil {
		return
	}
	l.log(&l.settings.Load().lines, e)
}

func (l *Log) log(t *template, e *Entry) {
	b, _ := l.lines.Get().(*buffers)
	if b == nil {
		b = &buffers{line: make([]byte, 0, 512)}
	}
	b.line, b.scratch = t.appendLine(b.line[:0], b.scratch, e, &l.clock)
	if !l.queue.put(b.line) {
		l.dropped.Add(1)
	}
	if cap(b.line) <= maxPooled && cap(b.scratch) <= maxPooled {
		l.lines.Put(b)
	}
}

// Dropped returns how many lines were lost, because the queue was full or
// because writing failed.
func (l *Log) Dropped() uint64 {
	if l == nil {
		return 0
	}
	return l.dropped.Load()
}

// Err is why the last lines could not be written, nil if they were.
func (l *Log) Err() error {
	if err := l.err.Load(); err != nil {
		return *err
	}
	return nil
}

// Written returns how many lines have reached the Writer.
func (l *Log) Written() uint64 {
	if l == nil {
		return 0
	}
	return l.written.Load()
}
