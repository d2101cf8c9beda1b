package listen

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"
)

// rotation is how long one ticket key makes tickets; it reads them for as long
// again (H7.5).
const rotation = 24 * time.Hour

// rules are one way to shake hands, with ticket keys of its own. crypto/tls
// would give a configuration that it gets for a client the keys of the one it
// came from, so that a session of one host could be resumed at another: hence
// keys are set here, and rotated by the handshakes themselves.
type rules struct {
	config *tls.Config
	key    string // what tells these rules from others
	shared string // a secret that replicas share, or empty

	period atomic.Int64 // since 1970, in which the keys were set

	mu   sync.Mutex // serialises rotation
	keys [][32]byte // the present one first; of a process's own secret
}

func newRules(config *tls.Config, key, shared string) *rules {
	r := &rules{config: config, key: key, shared: shared}
	r.period.Store(-1)
	return r
}

// current returns the configuration, with keys that are not too old.
func (r *rules) current(now time.Time) *tls.Config {
	if period := now.Unix() / int64(rotation/time.Second); r.period.Load() != period {
		r.rotate(period)
	}
	return r.config
}

func (r *rules) rotate(period int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.period.Load() == period {
		return
	}
	if r.shared != "" {
		// Clocks of replicas differ a little: tickets of tomorrow are read.
		r.config.SetSessionTicketKeys([][32]byte{r.derived(period), r.derived(period - 1), r.derived(period + 1)})
	} else {
		var fresh [32]byte
		_, _ = rand.Read(fresh[:]) // never fails
		r.keys = append([][32]byte{fresh}, r.keys[:min(len(r.keys), 1)]...)
		r.config.SetSessionTicketKeys(r.keys)
	}
	r.period.Store(period)
}

// derived is the key of a period. It depends on the rules, too: two hosts with
// different wishes never share one.
func (r *rules) derived(period int64) (key [32]byte) {
	h := hmac.New(sha256.New, []byte(r.shared))
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(period)))
	h.Write([]byte(r.key))
	h.Sum(key[:0])
	return key
}

// limitSessions lets a session be resumed for a time only; crypto/tls alone
// would allow it as long as a key is there. The time travels in the ticket, under
// its encryption. Each handshake brings a new one, as with OpenSSL.
func limitSessions(config *tls.Config, limit time.Duration, clock func() time.Time) {
	config.WrapSession = func(cs tls.ConnectionState, s *tls.SessionState) ([]byte, error) {
		s.Extra = [][]byte{binary.BigEndian.AppendUint64(nil, uint64(clock().Unix()))}
		return config.EncryptTicket(cs, s)
	}
	config.UnwrapSession = func(identity []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
		s, err := config.DecryptTicket(identity, cs)
		if err != nil || s == nil || len(s.Extra) != 1 || len(s.Extra[0]) != 8 {
			return nil, err //nolint:nilnil // a full handshake, as crypto/tls has it
		}
		begun := time.Unix(int64(binary.BigEndian.Uint64(s.Extra[0])), 0)
		if age := clock().Sub(begun); age < 0 || age > limit {
			return nil, nil //nolint:nilnil // as above
		}
		return s, nil
	}
}
