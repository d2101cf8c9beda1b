package dns

import (
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// udpSocket is one bound UDP socket. One goroutine receives from it.
type udpSocket struct {
	conn     *net.UDPConn
	raw      syscall.RawConn
	counters *counters
	buffers  sync.Pool // of *[maxUDP]byte, for answers that come later
}

func (s *Server) startUDP(u *udpSocket) {
	s.tasks.Go(func() { s.serveUDP(u) })
}

// serveUDP takes batches of queries and gives batches of answers until the
// socket is closed.
func (s *Server) serveUDP(u *udpSocket) {
	b := newBatch()
	q := &query{}
	for {
		if err := u.raw.Read(b.receive); err != nil {
			return // closed
		}
		if b.err != nil {
			if !s.pause() {
				return
			}
			continue
		}
		b.count, b.sent = 0, 0
		for i := range b.got {
			s.serveDatagram(u, b, q, i)
		}
		if b.count > 0 {
			if err := u.raw.Write(b.send); err != nil {
				return
			}
		}
	}
}

func (s *Server) serveDatagram(u *udpSocket, b *batch, q *query, i int) {
	msg := b.query(i)
	if msg == nil {
		u.counters.dropped.Add(1)
		return
	}
	answer, what := s.respond(u.counters, q, msg, b.buffer(), minUDP)
	switch what {
	case answered:
		b.answer(i, len(answer))
	case forwarded:
		s.forward.ask(q, newUDPClient(u, b, i), u.counters)
	}
}

// udpClient is where one query came from.
type udpClient struct {
	socket *udpSocket
	way    datagram
	head   unix.Msghdr // sizes of what is in way
}

func newUDPClient(u *udpSocket, b *batch, i int) *udpClient {
	c := &udpClient{socket: u}
	c.head = b.headers[i].head
	sourceFrom(&c.head)
	c.way = b.grams[i]
	return c
}

func (c *udpClient) deliver(write func([]byte) []byte) {
	buf, _ := c.socket.buffers.Get().(*[maxUDP]byte)
	if buf == nil {
		buf = new([maxUDP]byte)
	}
	defer c.socket.buffers.Put(buf)
	sendTo(c.socket.raw, &c.way, c.head, write(buf[:]))
}

func (c *udpClient) address() netip.Addr { return c.way.address() }

// address is that of the peer, without the form that sockets of both families
// report; none for a family that is not ours.
func (d *datagram) address() netip.Addr {
	switch d.peer.Family {
	case unix.AF_INET:
		return netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(&d.peer)).Addr)
	case unix.AF_INET6:
		return netip.AddrFrom16(d.peer.Addr).Unmap()
	}
	return netip.Addr{}
}

// errorPause is how long a socket rests that has an error: no memory, no
// descriptors.
const errorPause = 50 * time.Millisecond

// pause waits a moment; false is the end of the server.
func (s *Server) pause() bool {
	t := time.NewTimer(errorPause)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.closing.Done():
		return false
	}
}
