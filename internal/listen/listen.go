// Package listen owns the sockets that clients connect to: it accepts, ends
// TLS with the certificate that fits the SNI, and hands connections on.
//
// It knows nothing of HTTP. Sockets stay open over every change of
// configuration: certificates are swapped by pointer (H7.7).
package listen

import (
	"crypto/tls"
	"net"
	"net/netip"
)

// Handler takes over accepted connections. ServeConn returns when the
// connection is done with; the handler closes it.
type Handler interface {
	ServeConn(c net.Conn, info ConnInfo)
}

// ConnInfo is what is known of a connection before its first request.
type ConnInfo struct {
	Remote, Local netip.AddrPort
	// TLS is nil on a plain listener; the handshake is complete.
	TLS *tls.ConnectionState
}

// CertificateInfo is what an operator sees of a certificate.
type CertificateInfo struct{}
