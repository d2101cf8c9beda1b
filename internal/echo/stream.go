package echo

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// tcpAnswer is the reply to TEST.
type tcpAnswer struct {
	identity
	TCPPort string        `json:"tcpport"`
	TLSPort string        `json:"tlsport"`
	Remote  string        `json:"remoteAddr"`
	IsTLS   bool          `json:"isTLS"`
	TLS     *tcpTLSAnswer `json:"tls,omitempty"`
}

type tcpTLSAnswer struct {
	Version            string `json:"version"`
	ServerName         string `json:"serverName"`
	NegotiatedProtocol string `json:"negotiatedProtocol,omitempty"`
	Curves             string `json:"curves,omitempty"`
	CipherSuite        string `json:"cipherSuite"`
}

// runTCP serves the line protocol on the plain and, with a certificate, on the
// TLS port.
func runTCP(ctx context.Context, env environment) error {
	base := tcpAnswer{identity: env.identity()}
	var err error
	if base.TCPPort, err = env.port("TCP_PORT", "3000"); err != nil {
		return err
	}
	if base.TLSPort, err = env.port("TLS_PORT", "8443"); err != nil {
		return err
	}
	config, err := env.certificate("TLS_SERVER_PRIV_KEY")
	if err != nil {
		return err
	}
	plain, err := env.listen(base.TCPPort, "tcp")
	if err != nil {
		return err
	}
	all := []net.Listener{plain}
	if config != nil {
		secure, err := env.listen(base.TLSPort, "tls")
		if err != nil {
			return errors.Join(err, plain.Close())
		}
		all = append(all, tls.NewListener(secure, config))
	}
	return serveTCP(ctx, all, base)
}

// serveTCP accepts until ctx ends; connections then end after the line they
// are at.
func serveTCP(ctx context.Context, all []net.Listener, base tcpAnswer) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	failed := make(chan error, len(all))
	for _, l := range all {
		context.AfterFunc(ctx, func() { _ = l.Close() })
		running.Go(func() {
			defer stop()
			for {
				conn, err := l.Accept()
				if err != nil {
					if ctx.Err() == nil {
						failed <- err
					}
					return
				}
				running.Go(func() { serveLines(ctx, conn, base) })
			}
		})
	}
	running.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// serveLines talks to one client.
func serveLines(ctx context.Context, conn net.Conn, a tcpAnswer) {
	defer conn.Close()
	a.Remote = conn.RemoteAddr().String()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Now()) })
	defer stop()
	if secure, ok := conn.(*tls.Conn); ok {
		if secure.HandshakeContext(ctx) != nil {
			return
		}
		state := secure.ConnectionState()
		a.IsTLS = true
		a.TLS = &tcpTLSAnswer{
			Version: tls.VersionName(state.Version), ServerName: state.ServerName, NegotiatedProtocol: state.NegotiatedProtocol,
			Curves: state.CurveID.String(), CipherSuite: tls.CipherSuiteName(state.CipherSuite),
		}
	}
	if _, err := fmt.Fprintln(conn, "Gateway API Test TCP Server"); err != nil {
		return
	}
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		reply := lineReply(lines.Text(), a)
		if reply == "" {
			continue
		}
		if _, err := fmt.Fprintln(conn, reply); err != nil {
			return
		}
	}
}

// lineReply is the reply to a line, or "" for none.
func lineReply(line string, a tcpAnswer) string {
	switch line {
	case "TEST":
		return compactJSON(a)
	case "IS_TLS":
		return fmt.Sprint(a.IsTLS)
	case "PING":
		return "PONG"
	default:
		return ""
	}
}

// udpAnswer is the reply to a datagram.
type udpAnswer struct {
	Request string `json:"request"`
	identity
	Remote string `json:"remoteAddr"`
}

// maxDatagram is how much of a datagram is read.
const maxDatagram = 1024

// runUDP answers each datagram with one.
func runUDP(ctx context.Context, env environment) error {
	port, err := env.port("UDP_PORT", "8080")
	if err != nil {
		return err
	}
	conn, err := net.ListenPacket("udp", env.address(port))
	if err != nil {
		return err
	}
	defer conn.Close()
	env.log.printf("Starting server, listening on %s (udp)", conn.LocalAddr())
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		// An unreachable client is its own problem.
		_, _ = conn.WriteTo([]byte(compactJSON(udpAnswer{Request: string(buf[:n]), identity: env.identity(), Remote: from.String()})), from)
	}
}

// compactJSON is the JSON of a struct of strings and flags.
func compactJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil { // cannot happen for these types
		panic(err)
	}
	return string(text)
}
