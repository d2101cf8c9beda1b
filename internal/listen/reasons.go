package listen

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
)

// handshakeFailure is why a TLS handshake failed, as far as that can be told.
type handshakeFailure uint8

const (
	failedPlainHTTP handshakeFailure = iota
	failedNotTLS
	failedTimeout
	failedClosed
	failedVersion
	failedCipher
	failedAlert
	failedOther
	failures
)

var failureNames = [failures]string{
	failedPlainHTTP: "plain-http", failedNotTLS: "not-tls", failedTimeout: "timeout", failedClosed: "closed",
	failedVersion: "version", failedCipher: "cipher", failedAlert: "alert", failedOther: "other",
}

// failureOf finds the reason in an error of crypto/tls, which has types for
// some and sentences for the others.
func failureOf(err error) handshakeFailure {
	var record tls.RecordHeaderError
	var op *net.OpError
	switch {
	case errors.As(err, &record):
		if _, plain := plainHTTP(err); plain {
			return failedPlainHTTP
		}
		return failedNotTLS
	case errors.Is(err, os.ErrDeadlineExceeded):
		return failedTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return failedClosed
	case errors.As(err, &op) && op.Op == "remote error":
		return failedAlert // the client does not want what it was shown
	}
	switch text := err.Error(); {
	case strings.Contains(text, "unsupported version"):
		return failedVersion
	case strings.Contains(text, "cipher suite"):
		return failedCipher
	}
	return failedOther
}

// handshakeCounts are those of one listener.
type handshakeCounts struct {
	failed   [failures]atomic.Uint64
	versions [4]atomic.Uint64 // from TLS 1.0 on
}

func (c *handshakeCounts) fail(err error) { c.failed[failureOf(err)].Add(1) }

func (c *handshakeCounts) succeed(version uint16) {
	if i := int(version) - tls.VersionTLS10; i >= 0 && i < len(c.versions) {
		c.versions[i].Add(1)
	}
}

// HandshakeFailures counts the TLS handshakes that failed by a fixed set of
// reasons.
func (l *Listener) HandshakeFailures() map[string]uint64 {
	m := make(map[string]uint64, failures)
	for i, name := range failureNames {
		m[name] = l.reasons.failed[i].Load()
	}
	return m
}

// HandshakeVersions counts those that succeeded by version of TLS.
func (l *Listener) HandshakeVersions() map[string]uint64 {
	m := make(map[string]uint64, len(l.reasons.versions))
	for i, name := range [...]string{"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"} {
		m[name] = l.reasons.versions[i].Load()
	}
	return m
}
