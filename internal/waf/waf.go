// Package waf turns texts of firewall rules, in ModSecurity's language, into
// rules that judge requests: Coraza with the core rule set of OWASP.
//
//	s := waf.New(logger)
//	err := s.Check(text)   // for who wrote them
//	rules := s.Rules(text) // for package policy
//
// Rules of one text are made once and shared. Texts may include the sets that
// Daemun brings along and nothing else; what reaches files, programs or the
// network is refused. What rules find is logged, so many lines a second at
// most. As many requests are judged at once as there are processors, and others
// wait for a while, the groups of their subjects in turn, then get 503: rules
// that have begun cannot be stopped. It knows nothing of routes and connections. It owns no goroutine.
package waf

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"runtime"
	"sort"
	"strings"
	"sync"

	"github.com/corazawaf/coraza-coreruleset/v4"
	"github.com/corazawaf/coraza/v3"

	"daemun/internal/policy"
)

// maxKept bounds the texts that are remembered; the rules of one that was
// forgotten go on as long as somebody has them.
const maxKept = 64

// Store makes rules of texts and keeps them. It is safe for concurrent use.
type Store struct {
	logger *slog.Logger
	said   sayings
	turns  *turns

	mu    sync.Mutex // guards the following, and is held while rules are made
	known map[[sha256.Size]byte]*outcome
	round uint64
}

// outcome is what has become of a text.
type outcome struct {
	engine *engine
	err    error
	used   uint64
}

// New returns a store that knows no text.
func New(logger *slog.Logger) *Store {
	return &Store{logger: logger, turns: newTurns(runtime.GOMAXPROCS(0), maxWait), known: map[[sha256.Size]byte]*outcome{}}
}

// Check says what is wrong with a text, by line, for who wrote it.
func (s *Store) Check(text string) error {
	_, err := s.get(text)
	return err
}

// Rules returns the rules of a text, nil when it cannot be used.
func (s *Store) Rules(text string) policy.Rules {
	e, err := s.get(text)
	if err != nil {
		return nil
	}
	return e
}

// TurnedAway counts the judgements that did not begin because too many others
// went on.
func (s *Store) TurnedAway() uint64 { return s.turns.refused.Load() }

func (s *Store) get(text string) (*engine, error) {
	key := sha256.Sum256([]byte(text))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.round++
	o := s.known[key]
	if o == nil {
		o = &outcome{}
		o.engine, o.err = s.compile(text)
		s.makeRoom()
		s.known[key] = o
	}
	o.used = s.round
	return o.engine, o.err
}

// makeRoom forgets the text that was asked for the longest time ago.
func (s *Store) makeRoom() {
	if len(s.known) < maxKept {
		return
	}
	var oldest [sha256.Size]byte
	least := s.round
	for key, o := range s.known {
		if o.used < least {
			oldest, least = key, o.used
		}
	}
	delete(s.known, oldest)
}

func (s *Store) compile(text string) (e *engine, err error) {
	defer func() {
		if r := recover(); r != nil { // the parser is not ours
			e, err = nil, fmt.Errorf("rules cannot be read: %v", r)
		}
	}()
	recommended, err := fs.ReadFile(coreruleset.FS, "@coraza.conf-recommended")
	if err != nil {
		return nil, err
	}
	p, err := prepare(text, string(recommended))
	if err != nil {
		return nil, err
	}
	e = &engine{store: s, bodyLimit: p.bodyLimit, formLimit: p.formLimit, responseLimit: p.responseBody, refuses: p.refuses && p.enforces}
	if e.waf, err = s.build(p.upTo(len(p.lines))); err != nil {
		return nil, p.locate(err)
	}
	return e, nil
}

func (s *Store) build(text string) (coraza.WAF, error) {
	return coraza.NewWAF(coraza.NewWAFConfig().WithRootFS(coreruleset.FS).WithErrorCallback(s.matched).WithDirectives(text))
}

// locate finds the directive that an error is about: the first one with which
// the text is not good any more. Big sets are left out, as their rules are
// good.
func (p *program) locate(cause error) error {
	silent := New(slog.New(slog.DiscardHandler))
	without := &program{}
	for _, l := range p.lines {
		if l.text != includeSetup && l.text != includeRules {
			without.add(l)
		}
	}
	n := sort.Search(len(without.lines), func(n int) bool {
		_, err := silent.build(without.upTo(n + 1))
		return err != nil
	})
	if n == len(without.lines) {
		return shortened(cause)
	}
	_, err := silent.build(without.upTo(n + 1))
	if err == nil {
		err = cause
	}
	return fmt.Errorf("line %d: %w", without.lines[n].number, shortened(err))
}

// shortened takes what says nothing to a user off an error.
func shortened(err error) error {
	text := err.Error()
	text = strings.TrimPrefix(text, "invalid WAF config from string: ")
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "…"
	}
	return errors.New(strings.Join(strings.Fields(text), " "))
}
