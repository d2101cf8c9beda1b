// Package htpasswd checks passwords against the hashes of htpasswd files.
//
//	v := htpasswd.New(users)
//	ok := v.Verify("ann", "secret")
//
// It turns users of the IR into a verifier for package policy, which keeps what
// was verified: a check is meant to be slow. It knows nothing of requests and
// owns no goroutine.
package htpasswd

import (
	"crypto/subtle"
	"strings"

	"github.com/tg123/go-htpasswd"

	"daemun/internal/ir"
	"daemun/internal/policy"
)

// plainPrefix marks a password that is not hashed.
const plainPrefix = "{PLAIN}"

// verifier has one check per user; the first of a name counts, as in nginx.
type verifier struct {
	users map[string]func(password string) bool
}

// New returns a verifier. A user whose hash is of no known form never passes.
func New(users []ir.User) policy.Verifier {
	v := &verifier{users: make(map[string]func(string) bool, len(users))}
	for _, u := range users {
		if _, taken := v.users[u.Name]; !taken {
			v.users[u.Name] = check(u.Hash)
		}
	}
	return v
}

// Verify reports whether the password is that of the user. It takes as long as
// the hash wants it to and is safe for concurrent use.
func (v *verifier) Verify(user, password string) (ok bool) {
	match := v.users[user]
	if match == nil {
		return false
	}
	defer func() {
		if recover() != nil { // the library does not survive every malformed hash
			ok = false
		}
	}()
	return match(password)
}

func check(hash string) func(string) bool {
	if plain, ok := strings.CutPrefix(hash, plainPrefix); ok {
		return func(password string) bool { return subtle.ConstantTimeCompare([]byte(plain), []byte(password)) == 1 }
	}
	for _, accept := range []htpasswd.PasswdParser{
		htpasswd.AcceptBcrypt, htpasswd.AcceptMd5, htpasswd.AcceptSha, htpasswd.AcceptSsha, htpasswd.AcceptCryptSha,
	} {
		if encoded, err := accept(hash); err == nil && encoded != nil {
			return encoded.MatchesPassword
		}
	}
	return func(string) bool { return false }
}
