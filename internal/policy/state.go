package policy

import (
	"crypto/rand"
	"crypto/sha256"
	"runtime"
	"sync"
	"time"

	"daemun/internal/expression"
	"daemun/internal/ir"
)

// Verifier checks passwords. It is safe for concurrent use and may be slow.
type Verifier interface {
	Verify(user, password string) bool
}

// Config is what a State works with.
type Config struct {
	// Verifier makes the verifier of a list of users; nil means that nobody
	// passes.
	Verifier func([]ir.User) Verifier
	// Beyond runs the expressions that the linear engine cannot express; nil
	// closes what has one.
	Beyond expression.Engine
	// Rules finds the rules of a firewall by their text, nil for one that is
	// not usable; nil knows none.
	Rules func(text string) Rules
}

// State is what policies know beyond one request and one table: it is made once
// and outlives all tables. Everything in it is bounded. It is safe for
// concurrent use.
type State struct {
	config Config
	// key makes what is kept of credentials worthless elsewhere.
	key      [32]byte
	verified verified
	nonces   nonces
	limiters limiters
	answers  kept[AuthAnswer]
	clients  kept[ClientVerdict]
	// checks bounds the slow checks that run at one time, so that guessing
	// passwords does not take all processors; patience is how long one waits.
	checks   chan struct{}
	patience time.Duration
}

// longestTurn is how long a request waits until its password can be checked.
const longestTurn = 10 * time.Second

// NewState returns a state that knows nothing yet.
func NewState(c Config) *State {
	s := &State{
		config: c, checks: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		patience: longestTurn, answers: kept[AuthAnswer]{max: maxAnswers}, clients: kept[ClientVerdict]{max: maxJudged},
	}
	_, _ = rand.Read(s.key[:]) // never fails
	return s
}

// Beyond is the engine of Config.
func (s *State) Beyond() expression.Engine { return s.config.Beyond }

// maxVerified is about how many pairs of name and password are remembered.
const maxVerified = 8192

// verified remembers which credentials passed: by a keyed digest, in two
// generations. When the young one is full it becomes the old one, and what the
// old one held and nobody asked for is forgotten.
type verified struct {
	mu         sync.Mutex // guards the following
	young, old map[[sha256.Size]byte]struct{}
}

func (v *verified) has(sum *[sha256.Size]byte) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, ok := v.young[*sum]; ok {
		return true
	}
	_, ok := v.old[*sum]
	if ok {
		v.addLocked(sum)
	}
	return ok
}

func (v *verified) add(sum *[sha256.Size]byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.addLocked(sum)
}

func (v *verified) addLocked(sum *[sha256.Size]byte) {
	if v.young == nil || len(v.young) >= maxVerified/2 {
		v.young, v.old = make(map[[sha256.Size]byte]struct{}), v.young
	}
	v.young[*sum] = struct{}{}
}
