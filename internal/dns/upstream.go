package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// upstream is one resolver.
type upstream struct {
	addr netip.AddrPort
	// failures in a row; with maxFailures it is down, and not asked before it
	// has answered a probe. answered is when it last did: with the reading of the clock that
	// nobody sets (H11.11); nil is never.
	failures atomic.Int32
	answered atomic.Pointer[time.Time]
	down     atomic.Bool
	// plain is set when it does not understand EDNS.
	plain atomic.Bool
}

// maxFailures is more than one: a question whose answer takes too long says
// nothing about the resolver.
const maxFailures = 3

// receiveSize is more than the size we announce: some servers know better.
const receiveSize = 4096

// try asks one upstream once, and again over TCP or without EDNS if that is
// what it takes.
func (f *forwarder) try(ctx context.Context, u *upstream, key string) (*reply, error) {
	limited, cancel := context.WithTimeout(ctx, f.server.config.TryTimeout)
	defer cancel()
	began := f.server.now()
	r, err := f.exchange(limited, u, key)
	switch {
	case err == nil:
		f.succeeded(u)
	case ctx.Err() == nil:
		f.failedOnce(u, began, err)
	}
	return r, err
}

func (f *forwarder) exchange(ctx context.Context, u *upstream, key string) (*reply, error) {
	plain := u.plain.Load()
	r, err := f.exchangeOnce(ctx, u, key, plain)
	if err != nil || plain || r.rcode != rcodeFormat && r.rcode != rcodeNotImpl {
		return r, err
	}
	if r, err = f.exchangeOnce(ctx, u, key, true); err == nil && r.rcode != rcodeFormat && r.rcode != rcodeNotImpl {
		u.plain.Store(true) // RFC 6891 6.2.2
	}
	return r, err
}

func (f *forwarder) exchangeOnce(ctx context.Context, u *upstream, key string, plain bool) (*reply, error) {
	question := []byte(key[:len(key)-1])
	id := uint16(rand.Uint32())
	query := f.query(id, key, plain)
	r, err := exchangeUDP(ctx, u.addr, query, question)
	if errors.Is(err, errCut) {
		return exchangeTCP(ctx, u.addr, query, question)
	}
	return r, err
}

// query makes the message. Its EDNS option marks it as ours.
func (f *forwarder) query(id uint16, key string, plain bool) []byte {
	flags := key[len(key)-1]
	b := make([]byte, headerSize, headerSize+len(key)+optSize+4+tokenSize)
	binary.BigEndian.PutUint16(b, id)
	bits := uint16(flagRD)
	if flags&keyCD != 0 {
		bits |= flagCD
	}
	binary.BigEndian.PutUint16(b[2:], bits)
	b[5] = 1
	b = append(b, key[:len(key)-1]...)
	if plain {
		return b
	}
	b[11] = 1
	b = append(b, 0)
	b = binary.BigEndian.AppendUint16(b, typeOPT)
	b = binary.BigEndian.AppendUint16(b, maxUDP)
	var extended uint32
	if flags&keyDO != 0 {
		extended = flagDO
	}
	b = binary.BigEndian.AppendUint32(b, extended)
	b = binary.BigEndian.AppendUint16(b, 4+tokenSize)
	b = binary.BigEndian.AppendUint16(b, optionToken)
	b = binary.BigEndian.AppendUint16(b, tokenSize)
	return append(b, f.server.token[:]...)
}

// exchangeUDP asks from a socket of its own: the kernel picks a random port
// and lets nothing through that is not from the upstream's address.
func exchangeUDP(ctx context.Context, to netip.AddrPort, query, question []byte) (*reply, error) {
	conn, stop, err := dial(ctx, "udp", to)
	if err != nil {
		return nil, err
	}
	defer stop()
	if _, err := conn.Write(query); err != nil {
		return nil, err
	}
	buf := make([]byte, receiveSize)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		r, err := decode(buf[:n], binary.BigEndian.Uint16(query), question)
		if err == errMismatch {
			continue // a forgery, or too late for the question before
		}
		return r, err
	}
}

func exchangeTCP(ctx context.Context, to netip.AddrPort, query, question []byte) (*reply, error) {
	conn, stop, err := dial(ctx, "tcp", to)
	if err != nil {
		return nil, err
	}
	defer stop()
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)); err != nil {
		return nil, err
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	buf := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, buf); err != nil {
		return nil, err
	}
	return decode(buf, binary.BigEndian.Uint16(query), question)
}

// dial connects until ctx ends; stop closes the connection.
func dial(ctx context.Context, network string, to netip.AddrPort) (net.Conn, func(), error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, to.String())
	if err != nil {
		return nil, nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	detach := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	return conn, func() {
		detach()
		conn.Close()
	}, nil
}

func (f *forwarder) succeeded(u *upstream) {
	u.answered.Store(new(f.server.now()))
	u.failures.Store(0)
	if u.down.CompareAndSwap(true, false) {
		f.server.config.Logger.Info("dns: upstream resolver answers again", "upstream", u.addr)
	}
}

// failedOnce counts a try that had no answer. One that began before the last
// answer is about its question and not about the resolver: many questions at
// once that nobody answers would otherwise take a resolver down, and its probe
// up, as often as they end.
func (f *forwarder) failedOnce(u *upstream, began time.Time, err error) {
	if last := u.answered.Load(); last != nil && !began.After(*last) {
		return
	}
	if u.failures.Add(1) < maxFailures || !u.down.CompareAndSwap(false, true) {
		return
	}
	f.server.config.Logger.Warn("dns: upstream resolver does not answer and is left out until it does", "upstream", u.addr, "error", err)
	select {
	case f.wake <- struct{}{}:
	default: // it is awake
	}
}

// rootNS is the question that every resolver can answer at once: . NS IN.
const rootNS = "\x00\x00\x02\x00\x01"

// knock asks an upstream that is down. Any answer will do.
func (f *forwarder) knock(ctx context.Context, u *upstream) {
	ctx, cancel := context.WithTimeout(ctx, f.server.config.TryTimeout)
	defer cancel()
	id := uint16(rand.Uint32())
	_, err := exchangeUDP(ctx, u.addr, f.query(id, rootNS+"\x00", u.plain.Load()), []byte(rootNS))
	if err == nil || errors.Is(err, errCut) {
		f.succeeded(u)
	}
}
