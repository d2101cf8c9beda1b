package proxy

import (
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"daemun/internal/variable"
)

// appendFinished has the variables of what has been done so far.
func (x *exchange) appendFinished(b []byte, id variable.ID, arg string) []byte {
	switch id {
	case variable.SentField, variable.UpstreamField, variable.UpstreamCookie:
		return append(b, x.captured.get(id, arg)...)
	case variable.Status:
		if x.status > 0 {
			return strconv.AppendInt(b, int64(x.status), 10)
		}
		return b
	case variable.RequestCompletion:
		if x.committed && !x.truncated && x.status != 499 {
			return append(b, "OK"...)
		}
		return b
	case variable.BytesSent:
		return strconv.AppendInt(b, x.written, 10)
	case variable.RequestLine:
		b = append(append(b, x.req.Method...), ' ')
		b = append(append(b, x.req.Target...), ' ')
		return append(b, x.protocol()...)
	case variable.RequestLength:
		return strconv.AppendInt(b, x.received, 10)
	case variable.TimeISO8601:
		return time.Now().AppendFormat(b, "2006-01-02T15:04:05-07:00")
	case variable.Msec:
		ms := time.Now().UnixMilli()
		return append(strconv.AppendInt(b, ms/1000, 10), strconv.Itoa(int(ms%1000 + 1000))[1:]...)
	}
	return x.appendOfConnection(b, id)
}

// appendOfConnection has those of the connection.
func (x *exchange) appendOfConnection(b []byte, id variable.ID) []byte {
	c := x.c
	switch id {
	case variable.Connection:
		return strconv.AppendUint(b, c.serial, 10)
	case variable.ConnectionRequests:
		if c.stream == nil { // streams are not counted one by one
			return strconv.AppendUint(b, c.requests.Load(), 10)
		}
	case variable.ConnectionTime:
		s := strconv.FormatFloat(time.Since(c.began).Truncate(time.Millisecond).Seconds(), 'f', 3, 64)
		return append(b, s...)
	case variable.ServerAddr:
		return c.info.Local.Addr().Unmap().WithZone("").AppendTo(b)
	case variable.HTTP2:
		switch {
		case c.stream != nil && c.secure:
			return append(b, "h2"...)
		case c.stream != nil:
			return append(b, "h2c"...)
		}
	}
	if c.info.TLS != nil {
		return x.appendOfTLS(b, id)
	}
	return b
}

// appendOfTLS has those of a TLS connection.
func (x *exchange) appendOfTLS(b []byte, id variable.ID) []byte {
	state := x.c.info.TLS
	switch id {
	case variable.SSLProtocol:
		return append(b, tlsVersion(state.Version)...)
	case variable.SSLCipher:
		return append(b, tlsCipher(state.CipherSuite)...)
	case variable.SSLCurve:
		return append(b, state.CurveID.String()...)
	case variable.SSLServerName:
		return append(b, state.ServerName...)
	case variable.SSLALPN:
		return append(b, state.NegotiatedProtocol...)
	case variable.SSLSessionReused:
		if state.DidResume {
			return append(b, 'r')
		}
		return append(b, '.')
	}
	v := x.certificate
	switch {
	case id == variable.SSLClientVerify && v == nil:
		return append(b, "NONE"...)
	case v == nil:
	case id == variable.SSLClientVerify:
		return append(b, v.Verify...)
	case id == variable.SSLClientSubject:
		return append(b, v.Subject...)
	case id == variable.SSLClientIssuer:
		return append(b, v.Issuer...)
	case id == variable.SSLClientCert:
		return append(b, v.PEM...)
	case id == variable.SSLClientEscapedCert:
		return appendEscapedURI(b, v.PEM)
	case len(state.PeerCertificates) > 0 && v.Sent:
		return appendOfCertificate(b, state.PeerCertificates[0], id)
	}
	return b
}

// appendOfCertificate has what a certificate of a client says of itself, as
// OpenSSL writes it.
func appendOfCertificate(b []byte, cert *x509.Certificate, id variable.ID) []byte {
	const date = "Jan _2 15:04:05 2006 GMT"
	switch id {
	case variable.SSLClientFingerprint:
		sum := sha1.Sum(cert.Raw) //nolint:gosec // a name of the certificate, as nginx has it; nothing is judged by it here
		return hex.AppendEncode(b, sum[:])
	case variable.SSLClientSerial:
		return fmt.Appendf(b, "%02X", cert.SerialNumber.Bytes())
	case variable.SSLClientStart:
		return cert.NotBefore.UTC().AppendFormat(b, date)
	case variable.SSLClientEnd:
		return cert.NotAfter.UTC().AppendFormat(b, date)
	case variable.SSLClientRemain:
		return strconv.AppendInt(b, int64(max(0, time.Until(cert.NotAfter)/(24*time.Hour))), 10)
	}
	return b
}

// tlsVersion is OpenSSL's name of a version.
func tlsVersion(v uint16) string {
	switch v {
	case tls.VersionTLS10:
		return "TLSv1"
	case tls.VersionTLS11:
		return "TLSv1.1"
	case tls.VersionTLS12:
		return "TLSv1.2"
	case tls.VersionTLS13:
		return "TLSv1.3"
	}
	return ""
}

// tlsCipher is OpenSSL's name of a suite, made from the standard one:
// ECDHE-RSA-AES128-GCM-SHA256 of TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256. Those of
// TLS 1.3 are called the same.
func tlsCipher(suite uint16) string {
	name := tls.CipherSuiteName(suite)
	exchange, cipher, ok := strings.Cut(strings.TrimPrefix(name, "TLS_"), "_WITH_")
	if !ok {
		return name
	}
	cipher = strings.NewReplacer("AES_128_CBC_", "AES128-", "AES_256_CBC_", "AES256-", "AES_128_", "AES128-", "AES_256_", "AES256-",
		"CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305", "3DES_EDE_CBC_", "DES-CBC3-", "RC4_128_", "RC4-").Replace(cipher)
	name = strings.ReplaceAll(exchange+"-"+cipher, "_", "-")
	return strings.TrimPrefix(name, "RSA-")
}
