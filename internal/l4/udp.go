package l4

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// datagramBatch is how many datagrams one system call receives.
	datagramBatch = 32
	// datagramSize is more than the longest payload.
	datagramSize = 64 << 10
)

// datagrams is the memory that a loop receives into. Only the pages that are
// written to exist.
type datagrams struct {
	messages [datagramBatch]message
	vectors  [datagramBatch]unix.Iovec
	names    [datagramBatch]sockaddr
	memory   []byte
}

func newDatagrams() *datagrams {
	d := &datagrams{memory: make([]byte, datagramBatch*datagramSize)}
	for i := range d.messages {
		d.vectors[i].Base = &d.memory[i*datagramSize]
		d.messages[i].header.Iov = &d.vectors[i]
		d.messages[i].header.SetIovlen(1)
	}
	return d
}

// receive fills the memory from a socket. named says whether to ask for the
// senders.
func (d *datagrams) receive(fd int, named bool) ([]message, unix.Errno) {
	for i := range d.messages {
		h := &d.messages[i].header
		d.vectors[i].SetLen(datagramSize)
		h.Name, h.Namelen = nil, 0
		if named {
			h.Name, h.Namelen = (*byte)(unsafe.Pointer(&d.names[i])), uint32(unsafe.Sizeof(d.names[i]))
		}
	}
	n, e := receiveMessages(fd, d.messages[:])
	if e != 0 {
		return nil, e
	}
	got := d.messages[:n]
	for i := range got {
		d.vectors[i].SetLen(int(got[i].length))
	}
	return got, 0
}

// send passes messages on. A full socket loses the rest, as a full queue of a
// router does.
func (l *loop) send(fd int, m []message) unix.Errno {
	for len(m) > 0 {
		n, e := sendMessages(fd, m)
		if e == unix.EAGAIN || e == unix.ENOBUFS {
			l.count.datagramsLost.Add(uint64(len(m)))
			return 0
		}
		if e != 0 {
			return e
		}
		m = m[n:]
	}
	return 0
}

// receive takes datagrams of clients and gives those of one flow in a row to
// its endpoint together.
func (f *frontend) receive(l *loop) {
	d := l.udp
	got, e := d.receive(f.reg.fd, true)
	if e != 0 {
		return // an error of an earlier answer, or nothing after all
	}
	l.count.datagramsIn.Add(uint64(len(got)))
	for begin := 0; begin < len(got); {
		client := decode(&d.names[begin])
		end := begin + 1
		for end < len(got) && d.names[end] == d.names[begin] {
			end++
		}
		run := got[begin:end]
		for i := range run {
			run[i].header.Name, run[i].header.Namelen = nil, 0
		}
		f.forward(l, client, &d.names[begin], run)
		begin = end
		if !f.isOpen() {
			return
		}
	}
}

// forward sends datagrams of one client. An error of the send is that of an
// earlier datagram: the endpoint has refused it, the flow ends, and these are
// the first of the next one.
func (f *frontend) forward(l *loop, client netip.AddrPort, name *sockaddr, run []message) {
	for attempt := 0; attempt < 2; attempt++ {
		w := f.flows[client]
		if w == nil {
			w = f.begin(l, client, name)
		}
		if w == nil {
			l.count.datagramsLost.Add(uint64(len(run)))
			return
		}
		e := l.send(w.reg.fd, run)
		if e == 0 {
			w.session.count(false, octetsOf(run))
			l.flows.touch(w, l.now)
			if w.asked += uint64(len(run)); w.answered(l) {
				w.end(l)
			}
			return
		}
		l.count.flowsRefused.Add(1)
		w.end(l)
	}
	l.count.datagramsLost.Add(uint64(len(run)))
}

// begin opens a flow; nil when the client gets none.
func (f *frontend) begin(l *loop, client netip.AddrPort, name *sockaddr) *flow {
	if l.server.isFull() {
		l.count.refused[refusedForMemory].Add(1)
		return nil
	}
	to, sources, refused := f.plan.pick(l, client.Addr())
	if refused != admitted {
		l.count.refused[refused].Add(1)
		return nil
	}
	if !l.roomForFlow() {
		l.count.refused[refusedByLimit].Add(1)
		return nil
	}
	w := &flow{front: f, client: client, name: *name, to: to.to}
	w.nameLen = unix.SizeofSockaddrInet4
	if !client.Addr().Is4() {
		w.nameLen = unix.SizeofSockaddrInet6
	}
	if e := w.connect(l, sources); e != 0 {
		l.server.udp.Add(-1)
		l.count.dialFailed.Add(1)
		return nil
	}
	if f.flows == nil {
		f.flows = map[netip.AddrPort]*flow{}
	}
	f.flows[client] = w
	w.session = f.beginSession(l, client, w.to)
	l.flows.add(w, l.now)
	l.count.flows.Add(1)
	return w
}

// connect makes the flow's socket towards its endpoint. A connected socket
// takes answers from nobody else, and hears when the endpoint refuses.
func (w *flow) connect(l *loop, sources [2]netip.Addr) unix.Errno {
	fd, e := sourceSocket(unix.SOCK_DGRAM, w.to.Addr(), sources[:]...)
	if e != 0 {
		return e
	}
	if e := connectTo(fd, w.to); e != 0 {
		closeSocket(fd)
		return e
	}
	w.reg = registration{owner: w, fd: fd}
	if e := l.poll(&w.reg, unix.EPOLLIN); e != 0 {
		closeSocket(fd)
		return e
	}
	return 0
}

// ready passes answers on to the client, from the frontend's address.
func (w *flow) ready(l *loop, _ int, _ uint32) {
	if w.ended {
		return
	}
	got, e := l.udp.receive(w.reg.fd, false)
	if e == unix.EAGAIN {
		return
	}
	if e != 0 {
		l.count.flowsRefused.Add(1)
		w.end(l)
		return
	}
	l.count.datagramsOut.Add(uint64(len(got)))
	for i := range got {
		got[i].header.Name, got[i].header.Namelen = (*byte)(unsafe.Pointer(&w.name)), w.nameLen
	}
	if e := l.send(w.front.reg.fd, got); e != 0 {
		// An error of this socket may be about any client; it is cleared now.
		l.count.datagramsLost.Add(uint64(len(got)))
	}
	w.session.count(true, octetsOf(got))
	w.replied = true
	l.flows.touch(w, l.now)
	if w.got += uint64(len(got)); w.answered(l) {
		w.end(l)
	}
}

// octetsOf is what messages hold.
func octetsOf(m []message) (n int) {
	for i := range m {
		n += int(m[i].length)
	}
	return n
}

// dropStale ends the flows whose endpoint no longer serves; their next
// datagram chooses anew. The caller holds loop.mu.
func (f *frontend) dropStale(l *loop) {
	if len(f.flows) == 0 {
		return
	}
	serving := f.plan.rules.serving()
	for _, w := range f.flows {
		if !serving[w.to] {
			w.end(l)
		}
	}
}
