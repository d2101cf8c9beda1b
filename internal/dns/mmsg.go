package dns

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchSize is how many datagrams one system call takes or gives. Larger
// batches save little more and make answers wait for one another.
const batchSize = 32

const (
	// receiveUDP is more than any query needs; longer ones are dropped.
	receiveUDP = 1536
	// controlWords hold one packet information of either family, in the
	// kernel's alignment.
	controlWords = 8
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	head unix.Msghdr
	size uint32
}

// datagram is a received datagram with what the way back needs.
type datagram struct {
	// peer is any socket address; the kernel reads as much as it wrote.
	peer    unix.RawSockaddrInet6
	control [controlWords]uint64
}

// batch is the memory of one receiving goroutine: queries in, answers out.
type batch struct {
	headers [batchSize]mmsghdr
	vectors [batchSize]unix.Iovec
	grams   [batchSize]datagram
	in      [batchSize][receiveUDP]byte

	outHeaders [batchSize]mmsghdr
	outVectors [batchSize]unix.Iovec
	out        [batchSize][maxUDP]byte
	// from[i] is the datagram that answer i goes back for.
	from  [batchSize]int
	count int // answers
	sent  int
	got   int
	err   error

	receive, send func(fd uintptr) bool // made once, so that calls allocate nothing
}

func newBatch() *batch {
	b := &batch{}
	b.receive, b.send = b.tryReceive, b.trySend
	return b
}

// tryReceive fills the batch; false means that there is nothing to receive.
func (b *batch) tryReceive(fd uintptr) bool {
	for i := range b.headers {
		b.vectors[i].Base = &b.in[i][0]
		b.vectors[i].SetLen(receiveUDP)
		h := &b.headers[i].head
		h.Name = (*byte)(unsafe.Pointer(&b.grams[i].peer))
		h.Namelen = unix.SizeofSockaddrInet6
		h.Iov = &b.vectors[i]
		h.SetIovlen(1)
		h.Control = (*byte)(unsafe.Pointer(&b.grams[i].control))
		h.SetControllen(controlWords * 8)
		h.Flags = 0
	}
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.headers[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
	b.got, b.err = int(n), nil
	switch errno {
	case 0:
		return true
	case syscall.EAGAIN:
		return false
	}
	b.got, b.err = 0, errno
	return true
}

// query returns the i-th datagram; nil means that it was too long.
func (b *batch) query(i int) []byte {
	if b.headers[i].head.Flags&unix.MSG_TRUNC != 0 {
		return nil
	}
	return b.in[i][:b.headers[i].size]
}

// buffer is where the next answer is written.
func (b *batch) buffer() []byte { return b.out[b.count][:] }

// answer queues what was written to buffer as the answer to datagram i.
func (b *batch) answer(i, size int) {
	k := b.count
	b.from[k] = i
	b.outVectors[k].Base = &b.out[k][0]
	b.outVectors[k].SetLen(size)
	h := &b.outHeaders[k].head
	*h = b.headers[i].head
	h.Iov = &b.outVectors[k]
	h.Flags = 0
	sourceFrom(h)
	b.count++
}

// trySend sends what is left of the answers; false means the socket is full.
func (b *batch) trySend(fd uintptr) bool {
	for b.sent < b.count {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&b.outHeaders[b.sent])), uintptr(b.count-b.sent), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			b.sent += int(n)
		case syscall.EAGAIN:
			return false
		case syscall.EINTR:
		default:
			// The first one cannot be sent (a port that is 0, a route that is
			// gone): its client asks again.
			b.sent++
		}
	}
	return true
}

// sourceFrom turns the packet information of a query into that of its answer:
// same address, whatever interface leads to the client.
func sourceFrom(h *unix.Msghdr) {
	if h.Controllen < unix.SizeofCmsghdr {
		h.Control = nil
		h.SetControllen(0)
		return
	}
	c := (*unix.Cmsghdr)(unsafe.Pointer(h.Control))
	data := unsafe.Add(unsafe.Pointer(h.Control), unix.CmsgLen(0))
	switch {
	case c.Level == unix.IPPROTO_IP && c.Type == unix.IP_PKTINFO:
		(*unix.Inet4Pktinfo)(data).Ifindex = 0
	case c.Level == unix.IPPROTO_IPV6 && c.Type == unix.IPV6_PKTINFO:
		info := (*unix.Inet6Pktinfo)(data)
		if info.Addr[0] != 0xfe || info.Addr[1]&0xc0 != 0x80 { // link-local addresses need it
			info.Ifindex = 0
		}
	default:
		h.Control = nil
		h.SetControllen(0)
	}
}

// sendTo sends one message on the way back of d.
func sendTo(raw syscall.RawConn, d *datagram, h unix.Msghdr, msg []byte) {
	h.Name = (*byte)(unsafe.Pointer(&d.peer))
	if h.Controllen > 0 {
		h.Control = (*byte)(unsafe.Pointer(&d.control))
	}
	vector := unix.Iovec{Base: &msg[0]}
	vector.SetLen(len(msg))
	h.Iov = &vector
	// A full socket loses the answer; the client asks again.
	_ = raw.Control(func(fd uintptr) {
		_, _, _ = unix.Syscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&h)), unix.MSG_DONTWAIT)
	})
}
