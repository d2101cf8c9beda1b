package listen

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"strings"
	"time"

	"daemun/internal/canonical"
	"daemun/internal/ir"
)

// clients are the rules of handshakes: those of all hosts, and of hosts that
// want certificates of their clients or have suites of their own. What is wrong
// with a client's certificate is for the proxy to say, in HTTP: handshakes only
// ask for them.
type clients struct {
	exact, wildcard map[string]*rules
	byKey           map[string]*rules
	// fallback is for names that no host has, base for hosts without wishes.
	fallback, base *rules
	// refuse ends handshakes for names that no host has.
	refuse bool
}

// nobody is a configuration without certificates: a handshake ends with the
// alert "unrecognized name".
var nobody = &tls.Config{MinVersion: tls.VersionTLS12}

// configFor is tls.Config.GetConfigForClient.
func (c *Certificates) configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	x := c.index.Load()
	r, known := x.rulesFor(hello.ServerName)
	if !known && x.clients.refuse {
		return nobody, nil
	}
	return r.current(c.now()), nil
}

// rulesFor finds the rules of a name as the router finds its host; known says
// that there is one.
func (x *index) rulesFor(sni string) (r *rules, known bool) {
	name, ok := canonical.HostString(sni)
	if !ok {
		return x.clients.fallback, false
	}
	if r := x.clients.exact[name]; r != nil {
		return r, true
	}
	if _, taken := x.exact[name]; taken {
		return x.clients.base, true // a host of its own
	}
	if _, rest, ok := strings.Cut(name, "."); ok {
		if r := x.clients.wildcard[rest]; r != nil {
			return r, true
		}
		if _, taken := x.wildcard[rest]; taken {
			return x.clients.base, true
		}
	}
	return x.clients.fallback, false
}

// clientsOf makes the rules of cfg. Each set of CAs and suites has a
// configuration, and session tickets, of its own (H7.5); one that stays keeps
// them.
func (c *Certificates) clientsOf(cfg *ir.Config, old *clients) clients {
	made := clients{
		exact: map[string]*rules{}, wildcard: map[string]*rules{}, byKey: map[string]*rules{},
		refuse: cfg.Settings.TLS.RejectUnknown,
	}
	made.base = c.rulesOf(cfg, &ir.Host{}, old, &made)
	made.fallback = made.base
	for _, h := range cfg.Hosts {
		if !wishes(h) {
			continue
		}
		r := c.rulesOf(cfg, h, old, &made)
		if h.Name == "" {
			made.fallback = r
			continue
		}
		for _, name := range append([]string{h.Name}, h.Aliases...) {
			if rest, ok := strings.CutPrefix(name, "*."); ok {
				made.wildcard[rest] = r
			} else if !strings.HasPrefix(name, "~") {
				made.exact[name] = r
			}
		}
	}
	return made
}

// asksClients reports that a host wants certificates of its clients.
func asksClients(h *ir.Host) bool {
	a := h.ClientAuth
	return a != nil && !a.Broken && a.Mode != ir.ClientOff
}

// wishes reports that a host has rules of its own.
func wishes(h *ir.Host) bool { return asksClients(h) || len(h.Suites) > 0 }

// rulesOf finds the rules of a host among those that are there, or makes them.
func (c *Certificates) rulesOf(cfg *ir.Config, h *ir.Host, old, made *clients) *rules {
	s := cfg.Settings.TLS
	if len(h.Suites) > 0 {
		s.Suites = h.Suites
	}
	fingerprint := ""
	if asksClients(h) {
		fingerprint = h.ClientAuth.Fingerprint
	}
	text, _ := json.Marshal(s) // of a struct of plain values: never fails
	key := strings.Join([]string{fingerprint, string(text), s.TicketKey}, "\x00")
	if cfg.Settings.HTTP2Off {
		key += "\x00http/1.1"
	}
	r := made.byKey[key]
	if r == nil {
		r = old.byKey[key]
	}
	if r == nil {
		config := serverConfig(c.choose)
		applyTLS(config, &s, func() time.Time { return c.now() })
		if cfg.Settings.HTTP2Off {
			config.NextProtos = []string{"http/1.1"}
		}
		if fingerprint != "" {
			config.ClientAuth = tls.RequestClientCert
			config.ClientCAs = x509.NewCertPool()
			config.ClientCAs.AppendCertsFromPEM(h.ClientAuth.CAs)
		}
		r = newRules(config, key, s.TicketKey)
	}
	made.byKey[key] = r
	return r
}

// applyTLS changes the usual configuration to what the settings say.
func applyTLS(config *tls.Config, s *ir.TLS, clock func() time.Time) {
	if s.No12 {
		config.MinVersion = tls.VersionTLS13
	}
	if s.No13 {
		config.MaxVersion = tls.VersionTLS12
	}
	if len(s.Suites) > 0 {
		config.CipherSuites = s.Suites
	}
	if len(s.Curves) > 0 {
		config.CurvePreferences = nil
		for _, id := range s.Curves {
			config.CurvePreferences = append(config.CurvePreferences, tls.CurveID(id))
		}
	}
	config.SessionTicketsDisabled = s.NoResumption
	if s.SessionTime > 0 && !s.NoResumption {
		limitSessions(config, s.SessionTime.D(), clock)
	}
}
