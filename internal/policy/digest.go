package policy

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
	"sync"
	"time"

	"daemun/internal/ir"
)

// digest is digest authentication with MD5 and qop=auth (RFC 7616), the one
// form that nginx's module and all clients speak.
type digest struct {
	state *State
	realm string
	users map[string]string // name → HA1 in lower case
}

func newDigest(a *ir.BasicAuth, s *State) *digest {
	d := &digest{state: s, realm: a.Realm, users: make(map[string]string, len(a.Users))}
	for _, u := range a.Users {
		realm, ha1, ok := strings.Cut(u.Hash, ":")
		if _, taken := d.users[u.Name]; ok && realm == a.Realm && !taken {
			d.users[u.Name] = strings.ToLower(ha1)
		}
	}
	return d
}

// digestParams are the parts of an answer to a challenge.
type digestParams struct{ username, realm, nonce, uri, response, qop, nc, cnonce []byte }

// parseDigest reads an Authorization field of the Digest scheme. Values with a
// backslash are not taken apart: nothing we compare has one.
func parseDigest(field []byte) (p digestParams, ok bool) {
	const scheme = "digest "
	if len(field) > 2*longestCredentials || !hasPrefixFold(field, scheme) {
		return p, false
	}
	rest := field[len(scheme):]
	for {
		rest = bytes.TrimLeft(rest, " \t,")
		if len(rest) == 0 {
			return p, true
		}
		name, after, found := bytes.Cut(rest, []byte{'='})
		if !found {
			return p, false
		}
		after = bytes.TrimLeft(after, " \t")
		var value []byte
		if len(after) > 0 && after[0] == '"' {
			if value, rest, found = bytes.Cut(after[1:], []byte{'"'}); !found {
				return p, false
			}
		} else {
			value, rest, _ = bytes.Cut(after, []byte{','})
			value = bytes.TrimRight(value, " \t")
		}
		if to := p.part(bytes.TrimRight(name, " \t")); to != nil {
			if *to != nil {
				return p, false // said twice
			}
			*to = value
		}
	}
}

func (p *digestParams) part(name []byte) *[]byte {
	for _, known := range [...]struct {
		name string
		to   *[]byte
	}{
		{"username", &p.username},
		{"realm", &p.realm},
		{"nonce", &p.nonce},
		{"uri", &p.uri},
		{"response", &p.response},
		{"qop", &p.qop},
		{"nc", &p.nc},
		{"cnonce", &p.cnonce},
	} {
		if equalFold(name, known.name) {
			return known.to
		}
	}
	return nil
}

func (d *digest) check(t *Attempt) AuthVerdict {
	p, ok := parseDigest(t.Authorization)
	if !ok || string(p.realm) != d.realm || !bytes.Equal(p.uri, t.Target) || !equalFold(p.qop, "auth") {
		return AuthFailed
	}
	ha1, known := d.users[string(p.username)]
	if !known || subtle.ConstantTimeCompare([]byte(d.response(ha1, t.Method, &p)), bytes.ToLower(p.response)) != 1 {
		return AuthFailed
	}
	// The client knows the password; what is left is whether this is a replay.
	count, err := strconv.ParseUint(string(p.nc), 16, 32)
	if err != nil || !d.state.freshNonce(p.nonce, t.Now) || !d.state.nonces.use(string(p.nonce), uint32(count)) {
		return AuthStale
	}
	return AuthPassed
}

func (d *digest) response(ha1 string, method []byte, p *digestParams) string {
	ha2 := md5.Sum(bytes.Join([][]byte{method, p.uri}, []byte{':'}))
	text := bytes.Join([][]byte{[]byte(ha1), p.nonce, p.nc, p.cnonce, p.qop, []byte(hex.EncodeToString(ha2[:]))}, []byte{':'})
	sum := md5.Sum(text)
	return hex.EncodeToString(sum[:])
}

func (d *digest) appendChallenge(dst []byte, realm string, verdict AuthVerdict, now time.Time) []byte {
	dst = append(dst, `Digest algorithm="MD5", qop="auth", realm=`...)
	dst = append(dst, realm...)
	dst = append(dst, `, nonce="`...)
	dst = d.state.appendNonce(dst, now)
	dst = append(dst, '"')
	if verdict == AuthStale {
		dst = append(dst, ", stale=true"...)
	}
	return dst
}

// nonceLife is how long a challenge may be answered.
const nonceLife = 60 * time.Second

// A nonce is the time it was made and a proof that we made it, so that nothing
// has to be kept for challenges that nobody answers.
func (s *State) appendNonce(dst []byte, now time.Time) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(now.UnixNano()))
	return base64.RawURLEncoding.AppendEncode(dst, append(b[:], s.proof(b[:])...))
}

func (s *State) proof(made []byte) []byte {
	mac := hmac.New(sha256.New, s.key[:])
	mac.Write(made)
	return mac.Sum(nil)[:16]
}

func (s *State) freshNonce(nonce []byte, now time.Time) bool {
	b, err := base64.RawURLEncoding.DecodeString(string(nonce))
	if err != nil || len(b) != 24 || !hmac.Equal(s.proof(b[:8]), b[8:]) {
		return false
	}
	age := now.Sub(time.Unix(0, int64(binary.BigEndian.Uint64(b))))
	return age >= 0 && age <= nonceLife
}

// maxNonces is about how many nonces are remembered. One that was forgotten
// within its life counts as used up.
const maxNonces = 8192

// nonces remembers which counts of a nonce were used, in two generations. The
// time of a nonce says whether a missing one is new or forgotten, as far as it
// matters: a replay needs 4096 other clients within a minute.
type nonces struct {
	mu         sync.Mutex // guards the following
	young, old map[string]*window
}

// window are the highest count of a nonce and which of the 64 up to it were
// used: requests of one client may overtake each other.
type window struct {
	highest uint32
	used    uint64
}

// use takes a count of a nonce and reports whether it was free.
func (n *nonces) use(nonce string, count uint32) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	w := n.young[nonce]
	if w == nil {
		if w = n.old[nonce]; w == nil {
			w = &window{}
		}
		if n.young == nil || len(n.young) >= maxNonces/2 {
			n.young, n.old = make(map[string]*window), n.young
		}
		n.young[nonce] = w
	}
	if count > w.highest {
		w.used = w.used<<min(count-w.highest, 64) | 1
		w.highest = count
		return true
	}
	bit := uint64(1) << min(w.highest-count, 63)
	if w.highest-count > 63 || w.used&bit != 0 || count == 0 {
		return false
	}
	w.used |= bit
	return true
}
