// Package backtrack runs the expressions that the linear engine cannot express:
// look-around, back-references, atomic groups, possessive quantifiers.
//
//	m, err := backtrack.Compile(`^/(?!admin)`, expression.Fold)
//	matched, err := m.Match(path, nil) // expression.ErrTooCostly
//
// It turns an expression in the syntax of PCRE, as far as its engine has that,
// into a matcher for package expression. Such a match can take time that grows
// exponentially with the text, so it is bounded three times: by the length of
// the text, by the memory for back-tracking and by time; beyond, nobody knows
// whether the text matches. It knows nothing of what is matched. A clock for the
// time runs in a goroutine of the engine's, which ends a second after the last
// match.
package backtrack

import (
	"fmt"
	"sync"
	"time"

	regexp2 "github.com/dlclark/regexp2/v2"

	"daemun/internal/expression"
)

// Bounds of one match, which can take patience and two ticks of the engine's
// clock.
const (
	maxSubject = 4 << 10
	maxStack   = 20_000
	patience   = 10 * time.Millisecond
	tick       = 5 * time.Millisecond
)

// setTick makes the clock tick more often than it would: a tenth of a second is
// a long time for one match. The setting is the engine's, for all expressions.
var setTick = sync.OnceFunc(func() { regexp2.SetTimeoutCheckPeriod(tick) })

type matcher struct {
	re *regexp2.Regexp
	// names are those of the groups, by number.
	names []string
}

// Compile is an expression.Engine.
func Compile(expr string, c expression.Case) (expression.Matcher, error) {
	setTick()
	if len(expr) > expression.MaxSource {
		return nil, fmt.Errorf("expression of %d octets is too long, at most %d are allowed", len(expr), expression.MaxSource)
	}
	options := []regexp2.CompileOption{regexp2.RE2, regexp2.OptionMaintainCaptureOrder(), regexp2.OptionMaxBacktrackingStackSize(maxStack)}
	if c == expression.Fold {
		options = append(options, regexp2.IgnoreCase)
	}
	re, err := regexp2.Compile(string(octets([]byte(atomic(expr)))), options...)
	if err != nil {
		return nil, fmt.Errorf("compile expression: %w", err)
	}
	re.MatchTimeout = patience
	m := &matcher{re: re}
	for _, n := range re.GetGroupNumbers() {
		if n != len(m.names) {
			return nil, fmt.Errorf("the groups of the expression are not numbered from 1 on: leave out their numbers")
		}
		name := re.GroupNameFromNumber(n)
		if name == fmt.Sprint(n) {
			name = ""
		}
		m.names = append(m.names, name)
	}
	return m, nil
}

// octets makes one rune of each octet, as PCRE compares them for nginx.
func octets(b []byte) []rune {
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return r
}

func (m *matcher) Names() []string { return m.names }

func (m *matcher) Match(subject []byte, caps *expression.Captures) (matched bool, err error) {
	if len(subject) > maxSubject {
		return false, expression.ErrTooCostly
	}
	found, err := m.re.FindRunesMatch(octets(subject))
	if err != nil {
		return false, expression.ErrTooCostly
	}
	if found == nil {
		return false, nil
	}
	if caps == nil {
		return true, nil
	}
	*caps = expression.None()
	for i := range min(len(m.names), expression.Groups) {
		if g := found.GroupByNumber(i); g != nil && len(g.Captures) > 0 {
			caps[2*i], caps[2*i+1] = g.RuneIndex, g.RuneIndex+g.RuneLength
		}
	}
	return true, nil
}
