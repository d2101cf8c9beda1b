package listen

import (
	"cmp"
	"crypto/tls"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"daemun/internal/canonical"
	"daemun/internal/ir"
)

// CertificateInfo is what an operator sees of a certificate. It never holds
// the key (H7.11).
type CertificateInfo struct {
	// ID is "namespace/name" of the Secret.
	ID ir.CertificateID `json:"id"`
	// Names are the DNS names the certificate covers.
	Names    []string  `json:"names,omitempty"`
	NotAfter time.Time `json:"notAfter"`
	// Hosts are the host blocks and aliases it is served for, sorted.
	Hosts []string `json:"hosts,omitempty"`
	// Default says that it is served where no other fits.
	Default     bool   `json:"default,omitempty"`
	Fingerprint string `json:"fingerprint"`
	// Stale says that the Secret now holds a pair that cannot be used and the
	// last good one is still served (H7.7).
	Stale bool `json:"stale,omitempty"`
}

// Certificates chooses the certificate of a TLS handshake. Update publishes
// another set; handshakes read the present one through one pointer, without
// locks. All methods are safe for concurrent use.
type Certificates struct {
	selfMade *tls.Certificate
	config   *tls.Config
	now      func() time.Time
	index    atomic.Pointer[index]
	broken   atomic.Uint64

	mu   sync.Mutex // serialises Update, guards the following
	last *ir.Config // of index, nil before the first Update
}

// NewCertificates returns a store that knows the self-made default certificate
// only; its key is fresh.
func NewCertificates() *Certificates {
	c := &Certificates{selfMade: selfMade(time.Now()), now: time.Now}
	c.index.Store(&index{})
	c.config = serverConfig(c.choose)
	c.config.GetConfigForClient = c.configFor
	c.index.Store(c.build(&ir.Config{}, &index{}))
	return c
}

// Config returns the one server configuration of all listeners. It is never
// copied; what a handshake goes by is chosen for each, so that session tickets
// are valid across listeners and updates, but not from one policy to another
// (H7.5).
func (c *Certificates) Config() *tls.Config { return c.config }

// Broken counts the pairs that could not be used although translation let them
// pass, and handshakes that would have used one.
func (c *Certificates) Broken() uint64 { return c.broken.Load() }

// index is one immutable set of certificates.
type index struct {
	// exact has host names, wildcard the part after "*." of wildcard names.
	// A host without a certificate has an empty entry and falls through to its
	// wildcard parent, as the https redirect assumes (ingress-nginx §3.1).
	exact, wildcard map[string][]*pair
	// fallback is nil for the self-made certificate.
	fallback *pair
	byID     map[ir.CertificateID]*pair
	byPrint  map[string]*pair
	// aliased: an alias may hold a name that a host would have to get back.
	aliased bool
	// info is made for the first who asks.
	info    func() []CertificateInfo
	clients clients
}

// pair is a certificate with its key. It is parsed by the first handshake that
// needs it: ten thousand hosts then cost a start nothing, and a host nobody
// visits no memory.
type pair struct {
	source *ir.Certificate
	broken *atomic.Uint64
	once   sync.Once
	parsed *tls.Certificate // nil after once: cannot be used
	// stapled is parsed with an OCSP answer; nil is none.
	stapled atomic.Pointer[tls.Certificate]
}

func (p *pair) certificate() *tls.Certificate {
	p.once.Do(func() {
		t, err := tls.X509KeyPair(p.source.Chain, p.source.Key)
		if err != nil {
			p.broken.Add(1)
			return
		}
		p.parsed = &t
	})
	if t := p.stapled.Load(); t != nil {
		return t
	}
	return p.parsed
}

// Update publishes the certificates of cfg; the next handshake uses them, open
// connections are left alone (H7.7). Pairs that did not change are taken over
// as they are. A pair that changed is parsed at once, and when it cannot be
// used the last good one stays.
func (c *Certificates) Update(cfg *ir.Config) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.index.Load()
	x, ok := old.follow(c.last, cfg)
	if !ok {
		x = c.build(cfg, old)
	}
	x.info = sync.OnceValue(func() []CertificateInfo { return infos(cfg, x) })
	c.index.Store(x)
	c.last = cfg
}

// build makes an index of nothing but the pairs of the old one.
func (c *Certificates) build(cfg *ir.Config, old *index) *index {
	x := &index{
		byID:    make(map[ir.CertificateID]*pair, len(cfg.Certificates)),
		byPrint: make(map[string]*pair, len(cfg.Certificates)),
	}
	for _, source := range cfg.Certificates {
		x.byID[source.ID] = c.pairOf(source, old, x)
	}
	x.fallback = x.byID[cfg.DefaultCertificate]
	x.addHosts(cfg, map[ir.CertificateID][]string{})
	x.clients = c.clientsOf(cfg, &old.clients)
	return x
}

// addHosts makes exact and wildcard, and notes in served who has which
// certificate.
func (x *index) addHosts(cfg *ir.Config, served map[ir.CertificateID][]string) {
	x.exact, x.wildcard = make(map[string][]*pair, len(cfg.Hosts)), map[string][]*pair{}
	for _, h := range cfg.Hosts {
		x.addHost(h, served)
	}
	for _, h := range cfg.Hosts {
		x.aliased = x.aliased || len(h.Aliases) > 0
		x.addAliases(h, served)
	}
}

// pairOf finds the pair of source in the new index or the old one, or makes it.
func (c *Certificates) pairOf(source *ir.Certificate, old, x *index) *pair {
	p := cmp.Or(x.byPrint[source.Fingerprint], old.byPrint[source.Fingerprint])
	if p == nil {
		p = &pair{source: source, broken: &c.broken}
		// A changed pair must prove itself before the old one goes.
		if last := old.byID[source.ID]; last != nil && p.certificate() == nil && last.certificate() != nil {
			last.stapled.Store(nil) // nobody renews it any more
			return last
		}
	}
	x.byPrint[source.Fingerprint] = p
	return p
}

// addHost enters the name of h. The catch-all block always has the default
// certificate (ingress-nginx §4.1).
func (x *index) addHost(h *ir.Host, served map[ir.CertificateID][]string) {
	if h.Name == "" {
		return
	}
	var all []*pair
	for _, id := range h.Certificates {
		if p := x.byID[id]; p != nil {
			all = append(all, p)
			served[id] = append(served[id], h.Name)
		}
	}
	m, name := x.mapOf(h.Name)
	m[name] = all // even without any: the name is taken
}

// addAliases enters the aliases of h that no host block has for its name: an
// alias never takes the certificate of a host away. Translation checked that
// the certificates cover the host, not its aliases.
func (x *index) addAliases(h *ir.Host, served map[ir.CertificateID][]string) {
	for _, alias := range h.Aliases {
		name, ok := canonical.HostString(alias)
		if !ok || strings.HasPrefix(alias, "~") {
			continue // an expression: no SNI is matched with one
		}
		m, key := x.mapOf(name)
		if _, taken := m[key]; taken {
			continue
		}
		var fit []*pair
		for _, id := range h.Certificates {
			if p := x.byID[id]; p != nil && covers(p.source.Names, name) {
				fit = append(fit, p)
				served[id] = append(served[id], name)
			}
		}
		m[key] = fit
	}
}

// mapOf returns where a name belongs, and its key there.
func (x *index) mapOf(name string) (map[string][]*pair, string) {
	if rest, ok := strings.CutPrefix(name, "*."); ok {
		return x.wildcard, rest
	}
	return x.exact, name
}

// covers reports whether one of the names of a certificate is good for host.
func covers(names []string, host string) bool {
	_, parent, _ := strings.Cut(host, ".")
	for _, n := range names {
		n = strings.TrimSuffix(strings.ToLower(n), ".")
		if n == host || parent != "" && n == "*."+parent {
			return true
		}
	}
	return false
}

func infos(cfg *ir.Config, x *index) []CertificateInfo {
	served, again := map[ir.CertificateID][]string{}, index{byID: x.byID}
	again.addHosts(cfg, served)
	list := make([]CertificateInfo, 0, len(cfg.Certificates))
	for _, source := range cfg.Certificates {
		p := x.byID[source.ID]
		hosts := served[source.ID]
		slices.Sort(hosts)
		list = append(list, CertificateInfo{
			ID: source.ID, Names: p.source.Names, NotAfter: p.source.NotAfter,
			Hosts: slices.Compact(hosts), Default: source.ID == cfg.DefaultCertificate,
			Fingerprint: p.source.Fingerprint, Stale: p.source.Fingerprint != source.Fingerprint,
		})
	}
	slices.SortFunc(list, func(a, b CertificateInfo) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// Info lists the certificates in use, sorted by ID. The caller must not write
// to it.
func (c *Certificates) Info() []CertificateInfo {
	if info := c.index.Load().info; info != nil {
		return info()
	}
	return nil
}

// choose is tls.Config.GetCertificate. It looks at the SNI only (ingress-nginx
// §4.1): exact name, wildcard one level up, default. It never fails.
func (c *Certificates) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	x := c.index.Load()
	if t := fitting(x.lookup(hello.ServerName), hello); t != nil {
		return t, nil
	}
	if x.fallback != nil {
		if t := x.fallback.certificate(); t != nil {
			return t, nil
		}
		c.broken.Add(1)
	}
	return c.selfMade, nil
}

// names returns the names of the certificate that a client with this SNI is
// shown.
func (c *Certificates) names(sni string) []string {
	x := c.index.Load()
	for _, p := range x.lookup(sni) {
		if p.certificate() != nil {
			return p.source.Names
		}
	}
	if x.fallback != nil && x.fallback.certificate() != nil {
		return x.fallback.source.Names
	}
	return c.selfMade.Leaf.DNSNames
}

// lookup finds the pairs for an SNI with the router's canonical form (H3.5).
func (x *index) lookup(sni string) []*pair {
	if sni == "" {
		return nil
	}
	name, ok := canonical.HostString(sni)
	if !ok {
		return nil
	}
	if pairs := x.exact[name]; len(pairs) > 0 {
		return pairs
	}
	// "*.example.com" stands for exactly one more, non-empty label; canonical
	// names have no empty ones.
	if _, rest, ok := strings.Cut(name, "."); ok {
		return x.wildcard[rest]
	}
	return nil
}

// fitting returns the first certificate that the client can check (ECDSA and
// RSA side by side), else the first that can be served at all.
func fitting(pairs []*pair, hello *tls.ClientHelloInfo) *tls.Certificate {
	var first *tls.Certificate
	for _, p := range pairs {
		t := p.certificate()
		if t == nil {
			continue
		}
		if len(pairs) == 1 || hello.SupportsCertificate(t) == nil {
			return t
		}
		if first == nil {
			first = t
		}
	}
	return first
}
