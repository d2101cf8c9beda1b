package upstream

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"daemun/internal/ir"
	"daemun/internal/variable"
)

// Balance is how a backend shares its requests. It is immutable.
type Balance struct {
	// Affinity is nil when absent.
	Affinity *ir.Affinity
	// HashBy is nil when absent.
	HashBy *variable.Text
	// Subset is how many endpoints share a value of HashBy; 0 is one.
	Subset int
	EWMA   bool
}

// Configure says how a backend shares its requests and how TLS is spoken to
// it. Requests that have chosen already are not concerned.
func (r *Registry) Configure(b *ir.Backend) {
	made := r.Backend(b.ID)
	made.balance.Store(newBalance(b.Balance))
	most := 0
	if b.Balance != nil {
		most = b.Balance.MaxRequests
	}
	made.inFlight.most.Store(int64(most))
	made.tls.Store(r.tlsOf(b.TLS))
}

// tlsOf returns nil for the configuration of the registry.
func (r *Registry) tlsOf(t *ir.BackendTLS) *tls.Config {
	if t == nil {
		return nil
	}
	made := r.config.TLS.Clone()
	made.ClientSessionCache = tls.NewLRUClientSessionCache(sessionCache)
	made.ServerName = t.ServerName
	made.MinVersion, made.MaxVersion, made.CipherSuites = max(made.MinVersion, t.MinVersion), t.MaxVersion, t.Suites
	if len(t.Chain) > 0 {
		if pair, err := tls.X509KeyPair(t.Chain, t.Key); err == nil { // translation has checked
			made.Certificates = []tls.Certificate{pair}
		}
	}
	if t.Verify {
		made.VerifyConnection = verifier(t)
	}
	return made
}

// verifier checks the certificate of a backend; crypto/tls itself would insist
// on the name being sent, too.
func verifier(t *ir.BackendTLS) func(tls.ConnectionState) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(t.CAs)
	return func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errors.New("no certificate")
		}
		between := x509.NewCertPool()
		for _, c := range s.PeerCertificates[1:] {
			between.AddCert(c)
		}
		found, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: t.VerifyName})
		if err != nil {
			return err
		}
		for _, path := range found {
			if len(path)-2 <= t.Depth {
				return nil
			}
		}
		return errors.New("certificate chain too long")
	}
}

// newBalance returns nil for plain round robin. A hash by a text that cannot be
// read, which translation refuses, is round robin.
func newBalance(b *ir.Balance) *Balance {
	if b == nil {
		return nil
	}
	made := &Balance{Affinity: b.Affinity, Subset: b.Subset, EWMA: b.EWMA}
	if b.HashBy != "" {
		made.HashBy, _ = variable.ParseOpen(b.HashBy)
	}
	if *made == (Balance{Subset: b.Subset}) {
		return nil
	}
	return made
}

// Balance returns how the backend shares its requests, nil for Pick.
func (b *Backend) Balance() *Balance { return b.balance.Load() }

// Key tells this backend from others in an affinity cookie, without its name.
func (b *Backend) Key() string { return b.key }

// keyOf is the digest of a name, as cookies show it.
func keyOf(kind, name string) string {
	sum := sha256.Sum256([]byte("daemun " + kind + " " + name))
	return hex.EncodeToString(sum[:16])
}

// Hash is the number of a text in PickHash: the same in every process.
func Hash(text []byte) uint64 {
	// FNV-1a, mixed: endpoints differ in few bits.
	h := uint64(14695981039346656037)
	for _, c := range text {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return mix(h)
}

// mix is the finaliser of splitmix64.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// PickHash returns the endpoint for a hash: by highest random weight, so that
// an endpoint that comes or goes moves only the hashes that it has. Endpoints
// that were tried are left out as long as there are others.
func (b *Backend) PickHash(hash uint64, tried []*Endpoint) *Endpoint {
	var best, again *Endpoint
	var most, mostAgain uint64
	for _, e := range b.endpoints() {
		weight := mix(hash ^ e.hash)
		if len(tried) > 0 && slices.Contains(tried, e) {
			if again == nil || weight > mostAgain {
				again, mostAgain = e, weight
			}
			continue
		}
		if best == nil || weight > most {
			best, most = e, weight
		}
	}
	if best == nil {
		return again
	}
	return best
}

// PickSubset returns a random endpoint of the subset for a hash. Subsets are
// runs of the endpoints in their order; the last is filled up from the first.
func (b *Backend) PickSubset(hash, random uint64, size int, tried []*Endpoint) *Endpoint {
	all := b.endpoints()
	n := len(all)
	if n == 0 {
		return nil
	}
	size = min(max(size, 1), n)
	first := int(hash%uint64((n+size-1)/size)) * size
	start := int(random % uint64(size))
	for i := range size {
		if e := all[(first+(start+i)%size)%n]; !slices.Contains(tried, e) {
			return e
		}
	}
	return all[(first+start)%n]
}

// PickKey returns the endpoint that a persistent key names, nil if it is gone.
func (b *Backend) PickKey(key []byte) *Endpoint {
	for _, e := range b.endpoints() {
		if e.key == string(key) {
			return e
		}
	}
	return nil
}

// Key names the endpoint in an affinity cookie, without its address.
func (e *Endpoint) Key() string { return e.key }

// PickEWMA returns the better of two random endpoints that were not tried: the
// one whose answers took less time lately.
func (b *Backend) PickEWMA(random uint64, tried []*Endpoint, now time.Time) *Endpoint {
	all := b.endpoints()
	left := len(all)
	for _, e := range all {
		if slices.Contains(tried, e) {
			left--
		}
	}
	switch {
	case len(all) == 0:
		return nil
	case left <= 0:
		return all[random%uint64(len(all))]
	}
	// Two different ones, as places among those that are left.
	i := int(random % uint64(left))
	j := i
	if left > 1 {
		j = (i + 1 + int(random>>32)%(left-1)) % left
	}
	var first, second *Endpoint
	at := 0
	for _, e := range all {
		if slices.Contains(tried, e) {
			continue
		}
		if at == i {
			first = e
		}
		if at == j {
			second = e
		}
		at++
	}
	if second.took.at(now) < first.took.at(now) {
		return second
	}
	return first
}

// decay is the time in which an old measurement loses two thirds of its weight.
const decay = 10 * time.Second

// ewma is the moving average of how long answers took, in seconds.
type ewma struct {
	mu    sync.Mutex // guards the following
	value float64
	last  time.Time
}

// at is the average now: silence lets it sink, so that a slow endpoint is tried
// again.
func (m *ewma) at(now time.Time) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.value * m.weight(now)
}

func (m *ewma) weight(now time.Time) float64 {
	return math.Exp(-float64(max(0, now.Sub(m.last))) / float64(decay))
}

// Took notes how long an endpoint took to connect and answer.
func (e *Endpoint) Took(d time.Duration, now time.Time) {
	m := &e.took
	m.mu.Lock()
	defer m.mu.Unlock()
	w := m.weight(now)
	m.value = m.value*w + d.Seconds()*(1-w)
	m.last = now
}

// startAtAverage lets new endpoints begin with the average of the old ones: at
// nothing they would draw all requests at once.
func startAtAverage(old, fresh []*Endpoint) {
	sum, n := 0.0, 0
	var last time.Time
	for _, e := range old {
		e.took.mu.Lock()
		if !e.took.last.IsZero() {
			sum += e.took.value
			n++
			if e.took.last.After(last) {
				last = e.took.last
			}
		}
		e.took.mu.Unlock()
	}
	if n == 0 {
		return
	}
	for _, e := range fresh {
		e.took.value, e.took.last = sum/float64(n), last
	}
}

// NewKey is a random key of balanced affinity.
func NewKey(dst []byte, random *rand.ChaCha8) []byte {
	var b [16]byte
	_, _ = random.Read(b[:]) // never fails
	return hex.AppendEncode(dst, b[:])
}
