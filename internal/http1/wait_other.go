//go:build !unix

package http1

import "net"

// waiter does nothing where sockets cannot be read without blocking.
type waiter struct{}

func (w *waiter) bind(net.Conn) bool { return false }

func (r *Reader) waitReadable() error { panic("not reached: bind reported false") }
