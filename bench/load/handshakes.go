package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"time"
)

// handshakes makes one full TLS handshake, one request and one closed
// connection after the other: wrk resumes the session of a connection it closed
// before, so it never makes more than one full handshake per connection slot.
func handshakes(c *client, t target) error {
	// X25519 only, which every version of OpenSSL has: the hybrid with ML-KEM
	// would be measured for the one proxy that offers it.
	config := &tls.Config{ServerName: t.host, InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.X25519}}
	request := fmt.Appendf(nil, "GET /2 HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", t.host)
	for time.Now().Before(t.until) {
		start := time.Now()
		if err := handshake(t.addr, config, request); err != nil {
			c.failed(err)
			continue
		}
		c.done(start)
	}
	return nil
}

func handshake(addr string, config *tls.Config, request []byte) error {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer nc.Close()
	t := tls.Client(nc, config)
	if _, err := t.Write(request); err != nil {
		return err
	}
	answer, err := io.ReadAll(t)
	switch {
	case err != nil:
		return err
	case t.ConnectionState().DidResume:
		return fmt.Errorf("the session was resumed")
	case !bytes.Contains(answer, []byte(" 200 ")):
		return fmt.Errorf("answer %q", answer)
	}
	return nil
}
