package policy

import (
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"daemun/internal/ir"
)

type fakeVerifier struct {
	password string
	asked    int
}

func (f *fakeVerifier) Verify(_, password string) bool {
	f.asked++
	return password == f.password
}

func basicField(user, password string) []byte {
	return []byte("Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
}

// TestVerifiedPairs: a pair is checked once, unless the users change.
func TestVerifiedPairs(t *testing.T) {
	t.Parallel()
	f := &fakeVerifier{password: "secret"}
	s := NewState(Config{Verifier: func([]ir.User) Verifier { return f }})
	one := newAuth(&ir.BasicAuth{Fingerprint: "1"}, s)
	check := func(a *Auth, password string) AuthVerdict {
		return a.Check(&Attempt{Authorization: basicField("ann", password)})
	}
	for range 3 {
		if check(one, "secret") != AuthPassed {
			t.Fatal("the right password does not pass")
		}
	}
	if f.asked != 1 {
		t.Errorf("checked %d times", f.asked)
	}
	for range 2 {
		if check(one, "wrong") != AuthFailed {
			t.Fatal("a wrong password passes")
		}
	}
	if f.asked != 3 {
		t.Errorf("checked %d times: what failed must not be kept", f.asked)
	}
	f.password = "other"
	if two := newAuth(&ir.BasicAuth{Fingerprint: "2"}, s); check(two, "secret") != AuthFailed {
		t.Error("a pair that the new users do not have passes")
	}
	if none := newAuth(&ir.BasicAuth{Fingerprint: "1"}, NewState(Config{})); check(none, "secret") != AuthFailed {
		t.Error("somebody passes without a way to check")
	}
}

func TestVerifiedIsBounded(t *testing.T) {
	t.Parallel()
	f := &fakeVerifier{password: "secret"}
	s := NewState(Config{Verifier: func([]ir.User) Verifier { return f }})
	a := newAuth(&ir.BasicAuth{}, s)
	for i := range 3 * maxVerified {
		a.Check(&Attempt{Authorization: basicField(fmt.Sprint(i), "secret")})
		a.Check(&Attempt{Authorization: basicField("ann", "secret")})
	}
	if n := len(s.verified.young) + len(s.verified.old); n > maxVerified {
		t.Errorf("%d pairs are kept", n)
	}
	if f.asked != 3*maxVerified+1 {
		t.Errorf("a pair in use was checked %d times", f.asked-3*maxVerified)
	}
}

// slowFor is a verifier that is not done with one password before it is told.
type slowFor struct {
	password string
	begun    chan struct{}
	done     chan struct{}
}

func (s *slowFor) Verify(_, password string) bool {
	if password == s.password {
		s.begun <- struct{}{}
		<-s.done
	}
	return true
}

// TestSlowChecksWaitTheirTurn: users whose checks take long have as many turns as
// there are, and who does not get one in time is told so.
func TestSlowChecksWaitTheirTurn(t *testing.T) {
	t.Parallel()
	slow := &slowFor{password: "slow", begun: make(chan struct{}), done: make(chan struct{})}
	s := NewState(Config{Verifier: func([]ir.User) Verifier { return slow }})
	s.checks = make(chan struct{}, 2)
	one, two := newAuth(&ir.BasicAuth{Fingerprint: "1"}, s), newAuth(&ir.BasicAuth{Fingerprint: "2"}, s)
	one.turns = make(chan struct{}, 1) // as if all had two, and this one had guesses of its own in its way
	verdict := make(chan AuthVerdict)
	go func() { verdict <- one.Check(&Attempt{Authorization: basicField("ann", "slow")}) }()
	<-slow.begun
	if got := two.Check(&Attempt{Authorization: basicField("bob", "quick")}); got != AuthPassed {
		t.Errorf("other users get %v", got)
	}
	s.patience = time.Millisecond
	if got := one.Check(&Attempt{Authorization: basicField("ann", "quick")}); got != AuthBusy {
		t.Errorf("the same users get %v", got)
	}
	s.checks <- struct{}{} // as if others had the rest
	if got := two.Check(&Attempt{Authorization: basicField("bob", "another")}); got != AuthBusy || len(two.turns) != 0 {
		t.Errorf("without any turn %v, and %d are kept", got, len(two.turns))
	}
	<-s.checks
	close(slow.done)
	if got := <-verdict; got != AuthPassed || len(s.checks)+len(one.turns) != 0 {
		t.Errorf("the slow one gets %v, %d turns are kept", got, len(s.checks)+len(one.turns))
	}
}

func TestNonceAges(t *testing.T) {
	t.Parallel()
	s, now := NewState(Config{}), time.Unix(1e9, 0)
	nonce := s.appendNonce(nil, now)
	for after, want := range map[time.Duration]bool{0: true, nonceLife: true, nonceLife + 1: false, -1: false} {
		if got := s.freshNonce(nonce, now.Add(after)); got != want {
			t.Errorf("after %v: %v", after, got)
		}
	}
	if NewState(Config{}).freshNonce(nonce, now) {
		t.Error("the nonce of another process is taken")
	}
}

func TestNonceCounts(t *testing.T) {
	t.Parallel()
	var n nonces
	for i, step := range []struct {
		count uint32
		want  bool
	}{{0, false}, {1, true}, {1, false}, {70, true}, {7, true}, {7, false}, {6, false}, {69, true}, {69, false}, {1 << 31, true}, {70, false}, {1<<31 - 1, true}} {
		if got := n.use("n", step.count); got != step.want {
			t.Errorf("step %d: use(%d) = %v", i, step.count, got)
		}
	}
	for i := range 3 * maxNonces {
		n.use(fmt.Sprint(i), 1)
	}
	if k := len(n.young) + len(n.old); k > maxNonces {
		t.Errorf("%d nonces are kept", k)
	}
}

func FuzzAuthorization(f *testing.F) {
	f.Add([]byte(`Digest username="a", realm="r", nonce="n", uri="/", qop=auth, nc=00000001, cnonce="c", response="x"`))
	f.Add([]byte("Basic YTpi"))
	f.Add([]byte("digest a=,=\",b"))
	s := NewState(Config{Verifier: func([]ir.User) Verifier { return &fakeVerifier{} }})
	basic := newAuth(&ir.BasicAuth{}, s)
	digest := newAuth(&ir.BasicAuth{Digest: true, Realm: "r", Users: []ir.User{{Name: "a", Hash: "r:0123"}}}, s)
	f.Fuzz(func(t *testing.T, field []byte) {
		if digest.Check(&Attempt{Authorization: field, Method: []byte("GET"), Target: []byte("/")}) == AuthPassed {
			t.Errorf("%q passes", field)
		}
		basic.Check(&Attempt{Authorization: field})
	})
}
