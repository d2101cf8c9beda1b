package listen

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// counting counts the writes to a socket and can fail them.
type counting struct {
	net.Conn
	writes atomic.Int64
	wrote  chan struct{} // says that there was one
	fail   atomic.Bool
}

var errNoRoom = errors.New("no room")

func (c *counting) Write(b []byte) (int, error) {
	if c.fail.Load() {
		n, _ := c.Conn.Write(b[:100])
		return n, errNoRoom
	}
	c.writes.Add(1)
	select {
	case c.wrote <- struct{}{}:
	default:
	}
	return c.Conn.Write(b)
}

// secured is both ends of a connection after the handshake.
func secured(t *testing.T) (client *tls.Conn, server *secureConn, socket *counting) {
	t.Helper()
	certs, _ := testCertificates(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var nc net.Conn
	var dialling sync.WaitGroup
	dialling.Go(func() { nc, err = net.Dial("tcp", l.Addr().String()) })
	below, acceptErr := l.Accept()
	dialling.Wait()
	if acceptErr != nil || err != nil {
		t.Fatal(acceptErr, err)
	}
	socket = &counting{Conn: below, wrote: make(chan struct{}, 1)}
	pool := &sync.Pool{New: func() any { return new([gatherSize]byte) }}
	server = &secureConn{below: &gather{Conn: socket, pool: pool}}
	server.Conn = tls.Server(server.below, certs.Config())
	client = tls.Client(nc, &tls.Config{ServerName: "a.test", InsecureSkipVerify: true})
	t.Cleanup(func() {
		nc.Close()
		below.Close()
	})
	var shaking sync.WaitGroup
	shaking.Go(func() { err = client.Handshake() })
	if serverErr := server.Handshake(); serverErr != nil {
		t.Fatal(serverErr)
	}
	if shaking.Wait(); err != nil {
		t.Fatal(err)
	}
	return client, server, socket
}

// TestRecordsOfAWriteLeaveTogether checks that octets stay what they are and
// how often the socket is written to.
func TestRecordsOfAWriteLeaveTogether(t *testing.T) {
	t.Parallel()
	client, server, socket := secured(t)
	for _, step := range []struct {
		octets, writes int
	}{
		{100, 1}, {16 << 10, 1}, {shortRecords, 3}, // short records at first
		{100, 1}, {record, 1}, {record + 1, 1}, {4 * record, 1}, {4*record + 1, 2}, {9 * record, 3}, {0, 0},
	} {
		sent := bytes.Repeat([]byte("0123456789abc"), step.octets/13+1)[:step.octets]
		before := socket.writes.Load()
		var writing sync.WaitGroup
		writing.Go(func() {
			if n, err := server.Write(sent); n != len(sent) || err != nil {
				t.Errorf("wrote %d of %d, %v", n, len(sent), err)
			}
		})
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("%d octets came differently, %v", len(sent), err)
		}
		writing.Wait()
		if writes := int(socket.writes.Load() - before); writes > step.writes {
			t.Errorf("%d octets took %d writes, want %d", step.octets, writes, step.writes)
		}
	}
}

// TestNothingFollowsLostRecords: what was gathered and did not leave ends the
// connection for writing, and is not counted as written.
func TestNothingFollowsLostRecords(t *testing.T) {
	t.Parallel()
	for _, size := range []int{2 * record, 20 * record} {
		_, server, socket := secured(t)
		socket.fail.Store(true)
		if n, err := server.Write(make([]byte, size)); n > 100 || !errors.Is(err, errNoRoom) {
			t.Errorf("wrote %d, %v", n, err)
		}
		socket.fail.Store(false)
		before := socket.writes.Load()
		for _, next := range []int{1, 2 * record} {
			if n, err := server.Write(make([]byte, next)); n != 0 || err == nil {
				t.Errorf("wrote %d after a loss, %v", n, err)
			}
		}
		if _, err := server.below.Write([]byte("an alert")); !errors.Is(err, errNoRoom) || socket.writes.Load() != before {
			t.Errorf("octets followed, %v", err)
		}
	}
}

// TestCloseEndsAGatheredWrite that nobody reads.
func TestCloseEndsAGatheredWrite(t *testing.T) {
	t.Parallel()
	_, server, socket := secured(t)
	select {
	case <-socket.wrote: // in the handshake
	default:
	}
	done := make(chan error, 1)
	go func() {
		for {
			if _, err := server.Write(make([]byte, 8*record)); err != nil {
				done <- err
				return
			}
		}
	}()
	<-socket.wrote // it is at work
	_ = socket.Conn.Close()
	if err := <-done; err == nil {
		t.Error("no error")
	}
}

// TestSecureWriteAllocs pins that gathering allocates nothing.
func TestSecureWriteAllocs(t *testing.T) {
	client, server, _ := secured(t)
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = io.Copy(io.Discard, client) })
	octets := make([]byte, 3*record)
	write := func() {
		if _, err := server.Write(octets); err != nil {
			t.Error(err)
		}
	}
	for range 10 {
		write()
	}
	// The client allocates for each record that it reads, a few octets.
	if n := testing.AllocsPerRun(100, write); n > 20 {
		t.Errorf("%v allocations", n)
	}
	_ = server.CloseWrite()
	reading.Wait()
}
