//go:build !linux

package proxy

import "net"

// peer cannot ask the kernel here: an aborted request is noticed when the
// response is written.
type peer struct{}

func (p *peer) bind(*net.TCPConn) {}
func (p *peer) gone() bool        { return false }
func (p *peer) hasData() bool     { return false }
