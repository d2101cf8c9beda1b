package http2

import (
	"bytes"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestFramesInPieces: a frame is read when all of it has come, in whatever
// pieces.
func TestFramesInPieces(t *testing.T) {
	c := dial(t, testConfig(), echo)
	for _, b := range requestOf(t, c, 1, bytes.Repeat([]byte("x"), 300)) {
		c.send([]byte{b})
	}
	if r := c.answer(1); r.status != "200" || len(r.body) != 300 {
		t.Errorf("status %s, %d octets", r.status, len(r.body))
	}
}

// TestWokenWithinAFrame: to be woken while half a frame is there does not lose
// it.
func TestWokenWithinAFrame(t *testing.T) {
	c := dial(t, testConfig(), echo)
	c.ping()
	octets := requestOf(t, c, 1, []byte("hello"))
	for len(octets) > 0 {
		n := min(7, len(octets))
		c.send(octets[:n])
		octets = octets[n:]
		c.conn.mu.Lock()
		c.conn.wakeReader()
		c.conn.mu.Unlock()
	}
	if r := c.answer(1); r.status != "200" || string(r.body) != "hello" {
		t.Errorf("status %s, %q", r.status, r.body)
	}
}

// requestOf is a request with a body, as octets.
func requestOf(t *testing.T, c *client, id uint32, body []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	fr := http2.NewFramer(&out, nil)
	block := c.fields(":method", "POST", ":scheme", "http", ":authority", "a.test", ":path", "/")
	c.must(fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndHeaders: true}))
	c.must(fr.WriteData(id, true, body))
	return out.Bytes()
}

// TestWorkers: the one that waits shortest is taken first, who was not needed
// for a whole round goes, and all go at the end.
func TestWorkers(t *testing.T) {
	// Rounds are made here, not by the clock.
	ws := workers{timer: time.AfterFunc(time.Hour, func() {}), runs: true}
	list := make([]*worker, 3)
	for i := range list {
		list[i] = &worker{next: make(chan *Stream, 1)}
		if !ws.wait(list[i]) {
			t.Fatal("a worker may not wait")
		}
	}
	if w := ws.take(); w != list[2] {
		t.Errorf("got %v, want the last one", w)
	}
	ws.dismiss() // nobody has waited for a whole round
	if len(list[0].next)+len(list[1].next) != 0 {
		t.Error("a worker was let go too early")
	}
	ws.wait(list[2])
	ws.dismiss()
	if len(list[0].next) != 1 || len(list[1].next) != 1 || len(list[2].next) != 0 {
		t.Error("want the first two to go")
	}
	ws.end()
	if len(list[2].next) != 1 {
		t.Error("the last one does not go at the end")
	}
	if ws.wait(list[0]) || ws.take() != nil {
		t.Error("somebody waits after the end")
	}
}

// TestAlarm: it is left to run while it would ring in time, and moved when it
// would ring too late.
func TestAlarm(t *testing.T) {
	var a alarm
	c := make(chan struct{}, 1)
	now := time.Now()
	hour, day := now.Add(time.Hour), now.Add(24*time.Hour)
	a.set(c, now, hour)
	a.set(c, now, day)
	if a.at != hour {
		t.Error("an alarm that rings in time was moved")
	}
	soon := now.Add(time.Millisecond)
	a.set(c, now, soon)
	if a.at != soon {
		t.Error("an alarm that rings too late was not moved")
	}
	<-c
	if await(c, &a, soon) {
		t.Error("the time is over")
	}
	signal(c)
	if !await(c, &a, day) {
		t.Error("a signal was missed")
	}
	a.stop()
}
