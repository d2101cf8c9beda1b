package listen

import (
	"crypto/tls"
	"net"
	"testing"

	"daemun/internal/ir"
)

// BenchmarkHandshake measures both ends of a full or resumed handshake over
// loopback; the server's part is somewhat less than half of it.
func BenchmarkHandshake(b *testing.B) {
	certs, _ := testCertificates(b)
	rsaCerts := NewCertificates()
	rsaCerts.Update(&ir.Config{
		Hosts:        []*ir.Host{host("a.test", "n/a")},
		Certificates: []*ir.Certificate{certificate(b, "n/a", rsaKey(b), "a.test")},
	})
	classic := []tls.CurveID{tls.X25519}
	for _, bb := range []struct {
		name   string
		certs  *Certificates
		client *tls.Config
	}{
		{"ECDSA/X25519", certs, &tls.Config{CurvePreferences: classic}},
		{"ECDSA/X25519MLKEM768", certs, &tls.Config{}},
		{"ECDSA/X25519/resumed", certs, &tls.Config{CurvePreferences: classic, ClientSessionCache: tls.NewLRUClientSessionCache(4)}},
		{"RSA2048/X25519", rsaCerts, &tls.Config{CurvePreferences: classic}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			l := startListener(b, Config{TLS: bb.certs}, handlerFunc(func(c net.Conn, _ ConnInfo) {
				c.Write([]byte{1})
				c.Read(make([]byte, 1))
			}))
			bb.client.ServerName, bb.client.InsecureSkipVerify = "a.test", true
			b.ReportAllocs()
			for b.Loop() {
				c, err := tls.Dial("tcp", l.Addr().String(), bb.client)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := c.Read(make([]byte, 1)); err != nil {
					b.Fatal(err)
				}
				c.Close()
			}
		})
	}
}
