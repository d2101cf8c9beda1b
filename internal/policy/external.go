package policy

import (
	"crypto/sha256"
	"slices"
	"strings"
	"time"

	"daemun/internal/ir"
	"daemun/internal/variable"
)

// External asks a service about each request. What it may ask and what it does
// with the answer is here; the asking itself is the proxy's.
type External struct {
	// IR is the source.
	IR *ir.ExternalAuth
	// Target, Redirect and SignIn are texts; SignIn is nil when a 401 stays one.
	Target, Redirect, SignIn *variable.Text
	// Set are fields for the service.
	Set []TextField
	// Keyed is the text of the cache key, nil when answers are not kept.
	Keyed *variable.Text
	// Script may answer in place of the service; nil for none.
	Script *Script
	// Variables are made of the answer, of whose Parts they are.
	Variables []AuthVariable
	Parts     []AuthPart

	state *State
}

// TextField is a field whose value has variables.
type TextField struct {
	Name  string
	Value *variable.Text
}

func newExternal(a *ir.ExternalAuth, s *State) *External {
	if a == nil {
		return nil
	}
	e := &External{IR: a, Target: textOf(a.Target), Redirect: textOf(a.Redirect), Script: NewScript(a.Script, s.config.Beyond), state: s}
	if a.SignIn != "" {
		e.SignIn = textOf(a.SignIn)
	}
	if a.CacheKey != "" {
		e.Keyed = textOf(a.CacheKey)
	}
	e.Variables, e.Parts = newAuthVariables(a.Variables)
	for _, f := range a.SetHeaders {
		e.Set = append(e.Set, TextField{f.Name, textOf(f.Value)})
	}
	return e
}

// textOf reads a text that translation has checked. Variables that are none of
// nginx's are set by a snippet.
func textOf(s string) *variable.Text {
	t, err := variable.Parse(s)
	if err != nil {
		t, _ = variable.ParseOpen(s)
	}
	return t
}

// ownAuthFields are what the service is told about the request; a client must
// not be able to say them.
var ownAuthFields = []string{
	"X-Original-URL", "X-Original-Method", "X-Original-URI", "X-Sent-From", "X-Auth-Request-Redirect",
}

// Hides reports whether a field of the client does not go to the service: it, or
// one that could be taken for it, is what the service is told by us.
func (e *External) Hides(name []byte) bool {
	for _, own := range ownAuthFields {
		if sameName(name, own) {
			return true
		}
	}
	for i := range e.Set {
		if sameName(name, e.Set[i].Name) {
			return true
		}
	}
	return false
}

// Replaces reports whether a field of the client gives way to one of the
// answer, even if the answer has none: a client must not speak for the service,
// nor by a name that could be taken for it (H4.9).
func (e *External) Replaces(name []byte) bool {
	for _, n := range e.IR.ResponseHeaders {
		if sameName(name, n) {
			return true
		}
	}
	return false
}

// AuthAnswer is what a service said about a request. It is immutable.
type AuthAnswer struct {
	// Status is 200, 401, 403, or 500 for everything else, no answer included.
	Status int
	// Challenge is WWW-Authenticate of a 401.
	Challenge string
	// Fields are for the backend, Cookies for the client.
	Fields  []ir.Field
	Cookies []string
	// Parts are the values of External.Parts, in their order.
	Parts [][]byte
	// Keep says that the service does not forbid to keep the answer.
	Keep bool
}

// Verdict is the status that stands for one of a service.
func Verdict(status int) int {
	switch {
	case status >= 200 && status < 300:
		return 200
	case status == 401, status == 403:
		return status
	}
	return 500
}

// GivesCookies reports whether the client's response with this status gets the
// cookies of the service (ingress-nginx §1.4.1).
func (e *External) GivesCookies(status int) bool {
	if e.IR.AlwaysSetCookie {
		return true
	}
	switch status {
	case 200, 201, 204, 206, 301, 302, 303, 304, 307, 308:
		return true
	}
	return false
}

// AppendSignIn appends where a 401 leads to: the sign-in URL with the URL of the
// request in a parameter, unless it has that already. escaped is the request's
// URI, escaped.
func (e *External) AppendSignIn(dst []byte, from variable.Source, scheme string, authority, escaped []byte) []byte {
	start := len(dst)
	dst = e.SignIn.Append(dst, from)
	text := string(dst[start:])
	if hasParam(text, e.IR.SignInParam) {
		return dst
	}
	if strings.Contains(text, "?") {
		dst = append(dst, '&')
	} else {
		dst = append(dst, '?')
	}
	dst = append(dst, e.IR.SignInParam...)
	dst = append(dst, '=')
	dst = append(dst, scheme...)
	dst = append(dst, "://"...)
	dst = append(dst, authority...)
	return append(dst, escaped...)
}

func hasParam(url, name string) bool {
	_, query, _ := strings.Cut(url, "?")
	for pair := range strings.SplitSeq(query, "&") {
		if n, _, _ := strings.Cut(pair, "="); n == name && query != "" {
			return true
		}
	}
	return false
}

// keepFor is how long an answer of a status is kept; 0 is not at all.
func (e *External) keepFor(status int) time.Duration {
	for _, c := range e.IR.CacheFor {
		if len(c.Statuses) == 0 || slices.Contains(c.Statuses, status) {
			return c.For.D()
		}
	}
	return 0
}

// Key is what an answer is kept under: the route, and the text of the cache key.
func (e *External) Key(host, path, kind string, key []byte) [sha256.Size]byte {
	var room [1 << 10]byte // most fit, and need no other memory
	b := append(room[:0], e.state.key[:]...)
	for _, part := range [...]string{host, path, kind, e.IR.URL} {
		b = append(append(b, part...), 0)
	}
	b = append(append(b, key...), 0)
	for _, p := range e.Parts { // an answer has the values of these only
		b = append(append(append(b, byte(p.ID)), p.Arg...), 0)
	}
	return sha256.Sum256(b)
}

// Kept returns an answer that was kept and is still good.
func (e *External) Kept(key [sha256.Size]byte, now time.Time) *AuthAnswer {
	return e.state.answers.get(key, now)
}

// Keep keeps an answer as long as the settings want it for its status.
func (e *External) Keep(key [sha256.Size]byte, status int, a *AuthAnswer, now time.Time) {
	if d := e.keepFor(status); d > 0 && a.Keep {
		e.state.answers.put(key, a, now.Add(d))
	}
}

// maxAnswers is about how many answers are kept.
const maxAnswers = 16384
