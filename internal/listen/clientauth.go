package listen

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"maps"
	"slices"
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
	config := x.clientConfig(hello)
	if x.withoutHTTP2 == nil {
		return config, nil
	}
	return x.withoutHTTP2[cmp.Or(config, c.config)], nil
}

// withoutHTTP2 makes the configurations that do not offer HTTP/2 of those that
// do.
func (c *Certificates) withoutHTTP2(made *clients) map[*tls.Config]*tls.Config {
	all := map[*tls.Config]*tls.Config{}
	for _, config := range append(slices.Collect(maps.Values(made.byPrint)), c.config) {
		all[config] = config.Clone()
		all[config].NextProtos = []string{"http/1.1"}
	}
	return all
}

func (x *index) clientConfig(hello *tls.ClientHelloInfo) *tls.Config {
	if len(x.clients.byPrint) == 0 {
		return nil
	}
	name, ok := canonical.HostString(hello.ServerName)
	if !ok {
		return x.clients.fallback
	}
	if config := x.clients.exact[name]; config != nil {
		return config
	}
	if _, taken := x.exact[name]; taken {
		return nil // a host of its own
	}
	if _, rest, ok := strings.Cut(name, "."); ok {
		if _, taken := x.wildcard[rest]; taken {
			return x.clients.wildcard[rest]
		}
	}
	return x.clients.fallback
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
