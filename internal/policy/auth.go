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
	// turns are taken before those of all: who guesses passwords here, or whose
	// hashes are slow, is in the way of others no more than once.
	turns  chan struct{}
	digest *digest // nil: basic
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
		made.users, made.turns = s.config.Verifier(a.Users), make(chan struct{}, cap(s.checks))
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
// client shall answer a new one without asking its user. Busy says nothing of
// the credentials: others took too long.
const (
	AuthFailed AuthVerdict = iota
	AuthPassed
	AuthStale
	AuthBusy
)

// Check returns the verdict about a request. It does not allocate for
// credentials that have passed before, and takes as long as the password's hash
// wants for others.
func (a *Auth) Check(t *Attempt) AuthVerdict {
	switch {
	case a.digest != nil:
		return a.digest.check(t)
	case a.users != nil:
		return a.basic(t.Authorization)
	}
	return AuthFailed
}

// longestCredentials bounds what is looked at of an Authorization field.
const longestCredentials = 1024

func (a *Auth) basic(field []byte) AuthVerdict {
	if len(field) == 0 || len(field) > longestCredentials {
		return AuthFailed
	}
	sum := a.state.sum(a.fingerprint, field)
	if a.state.verified.has(&sum) {
		return AuthPassed
	}
	user, password, ok := BasicCredentials(make([]byte, 0, longestCredentials), field)
	if !ok {
		return AuthFailed
	}
	if !a.begin() {
		return AuthBusy
	}
	defer a.end()
	if !a.users.Verify(string(user), string(password)) {
		return AuthFailed
	}
	a.state.verified.add(&sum)
	return AuthPassed
}

// begin waits for the turn of a slow check, but not for ever; end must follow
// when it reports that it has come.
func (a *Auth) begin() bool {
	timer := time.NewTimer(a.state.patience)
	defer timer.Stop()
	select {
	case a.turns <- struct{}{}:
	case <-timer.C:
		return false
	}
	select {
	case a.state.checks <- struct{}{}:
		return true
	case <-timer.C:
		<-a.turns
		return false
	}
}

func (a *Auth) end() {
	<-a.state.checks
	<-a.turns
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
