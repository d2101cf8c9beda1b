package listen

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"daemun/internal/ir"
)

// anywhere offers the one session that it has at every server.
type anywhere struct{ session *tls.ClientSessionState }

func (a *anywhere) Get(string) (*tls.ClientSessionState, bool)    { return a.session, a.session != nil }
func (a *anywhere) Put(_ string, session *tls.ClientSessionState) { a.session = session }

// resumable is a configuration with three hosts under one certificate: a.test,
// b.test with other suites, c.test that asks for client certificates.
func resumable(t *testing.T) (*Certificates, *ir.Config) {
	t.Helper()
	ids := []ir.CertificateID{"n/a"}
	cfg := &ir.Config{
		Hosts: []*ir.Host{
			{Name: "a.test", Certificates: ids},
			{Name: "b.test", Certificates: ids, Suites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}},
			{Name: "c.test", Certificates: ids, ClientAuth: &ir.ClientAuth{Mode: ir.ClientRequired, Fingerprint: "ca"}},
		},
		Certificates: []*ir.Certificate{certificate(t, "n/a", ecdsaKey(t), "a.test", "b.test", "c.test")},
	}
	c := NewCertificates()
	c.Update(cfg)
	return c, cfg
}

// shake does a handshake and an exchange, which brings the ticket.
func shake(t *testing.T, l *Listener, name string, version uint16, cache tls.ClientSessionCache) (tls.ConnectionState, error) {
	t.Helper()
	c := tls.Client(dial(t, l), &tls.Config{ServerName: name, InsecureSkipVerify: true, ClientSessionCache: cache, MaxVersion: version})
	defer c.Close()
	if err := c.Handshake(); err != nil {
		return tls.ConnectionState{}, err
	}
	roundTrip(t, c, "x")
	return c.ConnectionState(), nil
}

// TestH7_5_TicketsStayWithTheirPolicy: a session of one policy is never resumed
// under another.
func TestH7_5_TicketsStayWithTheirPolicy(t *testing.T) {
	t.Parallel()
	for _, shared := range []string{"", "a secret of all replicas"} {
		certs, cfg := resumable(t)
		cfg.Settings.TLS.TicketKey = shared
		next := *cfg
		certs.Update(&next)
		l := startListener(t, Config{TLS: certs}, handlerFunc(echo))
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			for _, tt := range []struct {
				first, second string
				want          bool
			}{{"a.test", "a.test", true}, {"a.test", "b.test", false}, {"a.test", "c.test", false}, {"c.test", "a.test", false}, {"c.test", "c.test", true}} {
				cache := &anywhere{}
				if _, err := shake(t, l, tt.first, version, cache); err != nil {
					t.Fatal(err)
				}
				got, err := shake(t, l, tt.second, version, cache)
				if err != nil || got.DidResume != tt.want {
					t.Errorf("%s, %s then %s: resumed %v, %v", tls.VersionName(version), tt.first, tt.second, got.DidResume, err)
				}
			}
		}
	}
}

// TestH7_5_KeysRotate: a ticket is read for one more period, and no longer;
// with a shared secret another process reads it.
func TestH7_5_KeysRotate(t *testing.T) {
	t.Parallel()
	for _, shared := range []string{"", "a secret of all replicas"} {
		certs, cfg := resumable(t)
		cfg.Settings.TLS.TicketKey = shared
		next := *cfg
		certs.Update(&next)
		clock := make(chan time.Time, 1)
		clock <- time.Unix(0, 0)
		certs.now = func() time.Time { now := <-clock; clock <- now; return now }
		l := startListener(t, Config{TLS: certs}, handlerFunc(echo))
		cache := &anywhere{}
		if _, err := shake(t, l, "a.test", tls.VersionTLS12, cache); err != nil {
			t.Fatal(err)
		}
		first := cache.session
		for day, want := range []bool{true, true, false} {
			<-clock
			clock <- time.Unix(0, 0).Add(time.Duration(day) * rotation)
			got, err := shake(t, l, "a.test", tls.VersionTLS12, &anywhere{first})
			if err != nil || got.DidResume != want {
				t.Errorf("shared %q, day %d: resumed %v, %v", shared, day, got.DidResume, err)
			}
		}
	}
}

// TestSessionSettings: ssl-session-timeout and ssl-session-cache.
func TestSessionSettings(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		settings ir.TLS
		want     bool
	}{
		"usual": {ir.TLS{}, true},
		"long":  {ir.TLS{SessionTime: ir.Duration(time.Hour)}, true},
		"off":   {ir.TLS{NoResumption: true}, false},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			certs, cfg := resumable(t)
			next := *cfg
			next.Settings.TLS = tt.settings
			certs.Update(&next)
			l := startListener(t, Config{TLS: certs}, handlerFunc(echo))
			cache := &anywhere{}
			if _, err := shake(t, l, "a.test", version, cache); err != nil {
				t.Fatal(err)
			}
			got, err := shake(t, l, "a.test", version, cache)
			if err != nil || got.DidResume != tt.want {
				t.Errorf("%s, %s: resumed %v, %v", name, tls.VersionName(version), got.DidResume, err)
			}
		}
	}
}

// TestSessionsExpire: a session is resumed within its time from the handshake
// before, which brings a new ticket.
func TestSessionsExpire(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		certs, cfg := resumable(t)
		next := *cfg
		next.Settings.TLS.SessionTime = ir.Duration(time.Hour)
		certs.Update(&next)
		noon := time.Unix(12*3600, 0) // the keys stay for the next hours
		clock := make(chan time.Time, 1)
		clock <- noon
		certs.now = func() time.Time { now := <-clock; clock <- now; return now }
		l := startListener(t, Config{TLS: certs}, handlerFunc(echo))
		cache := &anywhere{}
		for _, step := range []struct {
			minutes int
			want    bool
		}{{0, false}, {40, true}, {59, true}, {118, true}, {180, false}, {181, true}} {
			<-clock
			clock <- noon.Add(time.Duration(step.minutes) * time.Minute)
			got, err := shake(t, l, "a.test", version, cache)
			if err != nil || got.DidResume != step.want {
				t.Errorf("%s after %d minutes: resumed %v, %v", tls.VersionName(version), step.minutes, got.DidResume, err)
			}
		}
	}
}

// TestTLSSettings: versions, suites, curves and names that nobody has.
func TestTLSSettings(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		settings ir.TLS
		client   *tls.Config
		host     string
		ok       bool
	}{
		"usual":                     {ir.TLS{}, &tls.Config{MaxVersion: tls.VersionTLS12}, "a.test", true},
		"no TLS 1.2":                {ir.TLS{No12: true}, &tls.Config{MaxVersion: tls.VersionTLS12}, "a.test", false},
		"no TLS 1.3":                {ir.TLS{No13: true}, &tls.Config{MinVersion: tls.VersionTLS13}, "a.test", false},
		"suite":                     {ir.TLS{Suites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}}, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}, "a.test", false},
		"suite of a host":           {ir.TLS{}, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}, "b.test", false},
		"its own suite":             {ir.TLS{}, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}}, "b.test", true},
		"curve":                     {ir.TLS{Curves: []uint16{uint16(tls.CurveP384)}}, &tls.Config{CurvePreferences: []tls.CurveID{tls.X25519}}, "a.test", false},
		"unknown name":              {ir.TLS{}, &tls.Config{}, "other.test", true},
		"unknown name, rejected":    {ir.TLS{RejectUnknown: true}, &tls.Config{}, "other.test", false},
		"no name, rejected":         {ir.TLS{RejectUnknown: true}, &tls.Config{}, "", false},
		"known name, none rejected": {ir.TLS{RejectUnknown: true}, &tls.Config{}, "a.test", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			certs, cfg := resumable(t)
			next := *cfg
			next.Settings.TLS = tt.settings
			certs.Update(&next)
			l := startListener(t, Config{TLS: certs}, handlerFunc(echo))
			client := tt.client.Clone()
			client.ServerName, client.InsecureSkipVerify = tt.host, true
			var c net.Conn = dial(t, l)
			if err := tls.Client(c, client).Handshake(); (err == nil) != tt.ok {
				t.Errorf("%v", err)
			}
		})
	}
}
