package listen

import (
	"crypto/tls"
	"crypto/x509"
	"strings"

	"daemun/internal/canonical"
	"daemun/internal/ir"
)

// clients are the hosts that want certificates of their clients. What is wrong
// with one is for the proxy to say, in HTTP: handshakes only ask for them.
type clients struct {
	exact, wildcard map[string]*tls.Config
	byPrint         map[string]*tls.Config
	// fallback is that of the catch-all block, nil if it wants none.
	fallback *tls.Config
}

// configFor is tls.Config.GetConfigForClient: nil is the configuration of all
// others.
func (c *Certificates) configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	x := c.index.Load()
	if len(x.clients.byPrint) == 0 {
		return nil, nil
	}
	name, ok := canonical.HostString(hello.ServerName)
	if !ok {
		return x.clients.fallback, nil
	}
	if config := x.clients.exact[name]; config != nil {
		return config, nil
	}
	if _, taken := x.exact[name]; taken {
		return nil, nil // a host of its own
	}
	if _, rest, ok := strings.Cut(name, "."); ok {
		if _, taken := x.wildcard[rest]; taken {
			return x.clients.wildcard[rest], nil
		}
	}
	return x.clients.fallback, nil
}

// clientsOf collects the hosts of cfg. Each set of CAs has a configuration, and
// so session tickets, of its own (H7.5); one that stays keeps them.
func (c *Certificates) clientsOf(cfg *ir.Config, old *clients) clients {
	made := clients{exact: map[string]*tls.Config{}, wildcard: map[string]*tls.Config{}, byPrint: map[string]*tls.Config{}}
	for _, h := range cfg.Hosts {
		a := h.ClientAuth
		if a == nil || a.Broken || a.Mode == ir.ClientOff {
			continue
		}
		config := made.byPrint[a.Fingerprint]
		if config == nil {
			if config = old.byPrint[a.Fingerprint]; config == nil {
				config = serverConfig(c.choose)
				config.ClientAuth = tls.RequestClientCert
				config.ClientCAs = x509.NewCertPool()
				config.ClientCAs.AppendCertsFromPEM(a.CAs)
			}
			made.byPrint[a.Fingerprint] = config
		}
		if h.Name == "" {
			made.fallback = config
			continue
		}
		for _, name := range append([]string{h.Name}, h.Aliases...) {
			if rest, ok := strings.CutPrefix(name, "*."); ok {
				made.wildcard[rest] = config
			} else if !strings.HasPrefix(name, "~") {
				made.exact[name] = config
			}
		}
	}
	return made
}
