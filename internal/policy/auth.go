package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"time"

	"daemun/internal/ir"
)

// Auth is basic or digest authentication.
type Auth struct {
	state       *State
	fingerprint string
	realm       string // quoted
	users       Verifier
	digest      *digest // nil: basic
}

func newAuth(a *ir.BasicAuth, s *State) *Auth {
	if a == nil {
		return nil
	}
	made := &Auth{state: s, fingerprint: a.Fingerprint, realm: quoted(a.Realm)}
	switch {
	case a.Digest:
		made.digest = newDigest(a, s)
	case s.config.Verifier != nil:
		made.users = s.config.Verifier(a.Users)
	}
	return made
}

// quoted is text as a quoted-string.
func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// Attempt is a request as authentication sees it.
type Attempt struct {
	// Authorization is the value of the field, nil without one.
	Authorization, Method, Target []byte
	Now                           time.Time
}

// AuthVerdict is what comes of an attempt.
type AuthVerdict uint8

// The verdicts. Stale is a right answer to a challenge that is too old: the
// client shall answer a new one without asking its user.
const (
	AuthFailed AuthVerdict = iota
	AuthPassed
	AuthStale
)

// Check returns the verdict about a request. It does not allocate for
// credentials that have passed before, and takes as long as the password's hash
// wants for others.
func (a *Auth) Check(t *Attempt) AuthVerdict {
	switch {
	case a.digest != nil:
		return a.digest.check(t)
	case a.users != nil && a.basic(t.Authorization):
		return AuthPassed
	}
	return AuthFailed
}

// longestCredentials bounds what is looked at of an Authorization field.
const longestCredentials = 1024

func (a *Auth) basic(field []byte) bool {
	if len(field) == 0 || len(field) > longestCredentials {
		return false
	}
	sum := a.state.sum(a.fingerprint, field)
	if a.state.verified.has(&sum) {
		return true
	}
	user, password, ok := BasicCredentials(make([]byte, 0, longestCredentials), field)
	if !ok {
		return false
	}
	a.state.checks <- struct{}{}
	defer func() { <-a.state.checks }()
	if !a.users.Verify(string(user), string(password)) {
		return false
	}
	a.state.verified.add(&sum)
	return true
}

// sum is a digest of the credentials and what they were checked against.
func (s *State) sum(fingerprint string, field []byte) [sha256.Size]byte {
	var room [32 + 64 + longestCredentials]byte
	b := append(room[:0], s.key[:]...)
	b = append(b, fingerprint...) // of constant length
	return sha256.Sum256(append(b, field...))
}

// BasicCredentials reads an Authorization field of the Basic scheme into dst,
// which has room for it.
func BasicCredentials(dst, field []byte) (user, password []byte, ok bool) {
	const scheme = "basic "
	if !hasPrefixFold(field, scheme) {
		return nil, nil, false
	}
	text := bytes.Trim(field[len(scheme):], " ")
	if base64.StdEncoding.DecodedLen(len(text)) > cap(dst) {
		return nil, nil, false
	}
	n, err := base64.StdEncoding.Decode(dst[:cap(dst)], text)
	if err != nil {
		return nil, nil, false
	}
	return bytes.Cut(dst[:n], []byte{':'})
}

// AppendChallenge appends the value of WWW-Authenticate for a request that was
// refused.
func (a *Auth) AppendChallenge(dst []byte, verdict AuthVerdict, now time.Time) []byte {
	if a.digest != nil {
		return a.digest.appendChallenge(dst, a.realm, verdict, now)
	}
	dst = append(dst, "Basic realm="...)
	return append(dst, a.realm...)
}
