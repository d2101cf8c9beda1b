package tunnel

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait of a test; reaching it is a failure.
const patience = 20 * time.Second

// pair returns the two ends of a connection.
func pair(t testing.TB) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	other, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		nc.Close()
		other.Close()
	})
	_ = nc.SetDeadline(time.Now().Add(patience))
	return nc.(*net.TCPConn), other.(*net.TCPConn)
}

// watched is a tunnel whose end can be waited for.
type watched struct {
	*Tunnel
	ended chan struct{}
}

// open begins a tunnel and returns it between its client and its upstream.
func open(t testing.TB, g *Group, change func(*Pair)) (client *net.TCPConn, tun *watched, upstream *net.TCPConn) {
	t.Helper()
	client, ours := pair(t)
	upstream, theirs := pair(t)
	p := Pair{Client: ours, Upstream: theirs, Idle: time.Hour, Age: time.Hour, WriteIdle: time.Hour}
	if change != nil {
		change(&p)
	}
	ended := make(chan struct{})
	p.Ended = func(*Tunnel) { close(ended) }
	carried, ok := g.Begin(p)
	if !ok {
		t.Fatal("the tunnel does not begin")
	}
	tun = &watched{carried, ended}
	t.Cleanup(func() {
		tun.Cut()
		await(t, tun)
		g.await(t)
	})
	return client, tun, upstream
}

func await(t testing.TB, tun *watched) {
	t.Helper()
	select {
	case <-tun.ended:
	case <-time.After(patience):
		t.Fatal("the tunnel does not end")
	}
}

// await returns when no loop has a goroutine.
func (g *Group) await(t testing.TB) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for _, l := range g.loops {
		for running := true; running; {
			l.mu.Lock()
			running = l.file != nil && l.count == 0
			l.mu.Unlock()
			select {
			case <-tick.C:
			case <-late:
				t.Fatal("a loop without tunnels goes on")
			}
		}
	}
}

func expect(t testing.TB, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("got %q (%v), want %q", got[:n], err, want)
	}
}

func send(t testing.TB, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

func TestBothWays(t *testing.T) {
	t.Parallel()
	client, tun, upstream := open(t, NewGroup(Config{}), func(p *Pair) { p.FromClient, p.FromUpstream = []byte("early "), []byte("first ") })
	send(t, client, "ping")
	send(t, upstream, "pong")
	expect(t, upstream, "early ping")
	expect(t, client, "first pong")
	for range 100 {
		send(t, client, "again")
		expect(t, upstream, "again")
		send(t, upstream, "and back")
		expect(t, client, "and back")
	}
	client.Close()
	expectEnd(t, upstream)
	await(t, tun)
	if in, out := tun.Octets(); in != 10+500 || out != 10+800 {
		t.Errorf("%d octets from and %d to the client", in, out)
	}
}

func expectEnd(t testing.TB, c net.Conn) {
	t.Helper()
	if rest, err := io.ReadAll(c); err != nil && !errors.Is(err, syscall.ECONNRESET) || len(rest) > 0 {
		t.Errorf("the end is %q, %v", rest, err)
	}
}

// TestTheLastOctetsArrive: what a side sends before it closes reaches the other,
// also when end and octets come together.
func TestTheLastOctetsArrive(t *testing.T) {
	t.Parallel()
	g := NewGroup(Config{})
	for range 20 {
		client, tun, upstream := open(t, g, nil)
		send(t, upstream, "the last words")
		upstream.Close()
		if got, err := io.ReadAll(client); err != nil || string(got) != "the last words" {
			t.Fatalf("got %q, %v", got, err)
		}
		await(t, tun)
	}
}

// TestABusyClientLosesNothing: a client that is still sending when the upstream
// ends gets all that the upstream had sent (H2.11).
func TestABusyClientLosesNothing(t *testing.T) {
	t.Parallel()
	client, tun, upstream := open(t, NewGroup(Config{}), nil)
	stop := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := client.Write([]byte("noise")); err != nil {
				return
			}
		}
	})
	expect(t, upstream, "noise")
	send(t, upstream, strings.Repeat("last", 1000))
	if err := upstream.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	expect(t, client, strings.Repeat("last", 1000))
	close(stop)
	client.Close()
	sending.Wait()
	await(t, tun)
}

// TestASlowReaderHoldsTheOtherBack: what does not fit waits at the sender, and
// all of it arrives in order.
func TestASlowReaderHoldsTheOtherBack(t *testing.T) {
	t.Parallel()
	const size = 32 << 20
	client, tun, upstream := open(t, NewGroup(Config{}), nil)
	pattern := make([]byte, size)
	for i := range pattern {
		pattern[i] = byte(i * 7 >> 3)
	}
	var sending sync.WaitGroup
	sending.Go(func() {
		if _, err := upstream.Write(pattern); err != nil {
			t.Error(err)
		}
	})
	sending.Go(func() { // the other way goes on meanwhile
		if _, err := client.Write(pattern[:size/8]); err != nil {
			t.Error(err)
		}
	})
	got := make([]byte, size)
	if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, pattern) {
		t.Errorf("the client got something else: %v", err)
	}
	if _, err := io.ReadFull(upstream, got[:size/8]); err != nil || !bytes.Equal(got[:size/8], pattern[:size/8]) {
		t.Errorf("the upstream got something else: %v", err)
	}
	sending.Wait()
	tun.loop.mu.Lock()
	defer tun.loop.mu.Unlock()
	for i := range tun.sides {
		if s := &tun.sides[i]; s.buffer != nil || len(s.out) > 0 {
			t.Errorf("side %d keeps %d octets", i, len(s.out))
		}
	}
}

// TestEnds: each of the limits ends a tunnel.
func TestEnds(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Pair){
		"idle": func(p *Pair) { p.Idle = time.Millisecond },
		"old":  func(p *Pair) { p.Age = time.Millisecond },
		"a side takes nothing": func(p *Pair) {
			p.WriteIdle = time.Millisecond
			p.FromClient = make([]byte, 64<<20)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, tun, _ := open(t, NewGroup(Config{}), change)
			await(t, tun)
		})
	}
}

// TestGoodbye: a client is told to go between two frames and never within one;
// what the upstream sends after that is dropped, what the client answers is not.
func TestGoodbye(t *testing.T) {
	t.Parallel()
	client, tun, upstream := open(t, NewGroup(Config{}), nil)
	send(t, upstream, "\x81\x0aHello")
	expect(t, client, "\x81\x0aHello")
	tun.Leave()
	if !tun.Leaving() {
		t.Error("it does not say so")
	}
	send(t, upstream, "World")
	expect(t, client, "World"+GoingAway)
	send(t, upstream, "\x81\x05later")
	send(t, client, "\x88\x82mask\x6e\x88")
	expect(t, upstream, "\x88\x82mask\x6e\x88")
	upstream.Close()
	expectEnd(t, client)
	await(t, tun)
}

// TestALoopEndsAndBeginsAgain: it has a goroutine and a descriptor only while it
// has tunnels.
func TestALoopEndsAndBeginsAgain(t *testing.T) {
	t.Parallel()
	g := NewGroup(Config{})
	for range 20 {
		client, tun, upstream := open(t, g, nil)
		send(t, client, "x")
		expect(t, upstream, "x")
		tun.Cut()
		tun.Cut()
		tun.Leave()
		await(t, tun)
	}
	g.await(t)
}

// TestManyTunnels: places are used again while others are in use.
func TestManyTunnels(t *testing.T) {
	t.Parallel()
	g := NewGroup(Config{})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				client, tun, upstream := open(t, g, nil)
				send(t, client, "question")
				expect(t, upstream, "question")
				send(t, upstream, "answer")
				expect(t, client, "answer")
				client.Close()
				await(t, tun)
			}
		})
	}
	all.Wait()
}

// TestABrokenSocketEndsItsTunnelOnly: a reset of one side ends the other.
func TestABrokenSocketEndsItsTunnelOnly(t *testing.T) {
	t.Parallel()
	g := NewGroup(Config{})
	other, _, otherUpstream := open(t, g, nil)
	client, tun, upstream := open(t, g, nil)
	_ = client.SetLinger(0)
	client.Close()
	await(t, tun)
	expectEnd(t, upstream)
	send(t, other, "still here")
	expect(t, otherUpstream, "still here")
}

// TestClosedConnectionsAreRefused: what cannot be taken over stays the caller's.
func TestClosedConnectionsAreRefused(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	b.Close()
	if _, ok := NewGroup(Config{}).Begin(Pair{Client: a, Upstream: b}); ok {
		t.Error("a tunnel with a closed side began")
	}
	if _, err := a.Write([]byte("x")); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the other side is no longer usable: %v", err)
	}
}

// TestPanicsCostOneTunnel: others of the loop go on (H6.20).
func TestPanicsCostOneTunnel(t *testing.T) {
	t.Parallel()
	panics := make(chan struct{}, 1)
	g := NewGroup(Config{Panicked: func() { panics <- struct{}{} }})
	g.loops = g.loops[:1]
	other, _, otherUpstream := open(t, g, nil)
	_, tun, upstream := open(t, g, nil)
	tun.loop.mu.Lock()
	tun.frames.have = len(tun.frames.head) // what cannot be
	tun.loop.mu.Unlock()
	send(t, upstream, "x")
	select {
	case <-panics:
	case <-time.After(patience):
		t.Error("there was no panic")
	}
	await(t, tun)
	send(t, other, "still here")
	expect(t, otherUpstream, "still here")
}
