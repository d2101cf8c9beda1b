// Package expression compiles the regular expressions of users, within bounds.
//
//	e, err := expression.Compile(`^/api/(\d+)`, expression.Fold, nil)
//	matched, err := e.Match(path, &caps) // caps.Group(path, 1)
//
// It turns an expression into a matcher of the linear engine of package regexp
// (H6.21), or of an engine with back-tracking that the caller brings along for
// what PCRE has and that one lacks. It knows nothing of what is matched. An
// Expression is immutable and safe for concurrent use; the package owns no
// goroutine.
package expression

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
)

// Limits of H6.21: the length of an expression in octets and the size of its
// compiled program in about instructions. The time of a match is bounded by the
// product of program size and subject length.
const (
	MaxSource  = 1024
	MaxProgram = 2048
)

// Groups is the number of captures that a target can name: $0 to $9.
const Groups = 10

// Captures holds the positions of the groups of one match: group i is
// subject[c[2*i]:c[2*i+1]], and -1 means that it took no part.
type Captures [2 * Groups]int

// None are captures in which no group took part.
func None() Captures {
	var c Captures
	for i := range c {
		c[i] = -1
	}
	return c
}

// Group returns the text of group i in the subject that was matched; it is
// empty for a group that took no part or does not exist.
func (c *Captures) Group(subject []byte, i int) []byte {
	if i < 0 || i >= Groups || c[2*i] < 0 {
		return nil
	}
	return subject[c[2*i]:c[2*i+1]]
}

// Case says whether letters of either case are the same.
type Case bool

// The cases.
const (
	Fold  Case = true
	Exact Case = false
)

// ErrTooCostly is returned for a match that an engine has given up.
var ErrTooCostly = errors.New("the expression costs too much for this text")

// Matcher runs one expression. It is safe for concurrent use.
type Matcher interface {
	// Match fills caps, if that is not nil, when it matches. The error is
	// ErrTooCostly.
	Match(subject []byte, caps *Captures) (bool, error)
	// Names are the names of the groups; a group without one has "".
	Names() []string
}

// Engine makes matchers of expressions that the linear engine cannot run.
type Engine func(expr string, c Case) (Matcher, error)

// Compile compiles an expression. One that the linear engine cannot express is
// left to beyond; nil refuses it. The error says what is wrong and, for the
// constructs of PCRE, that they are the reason.
func Compile(expr string, c Case, beyond Engine) (Matcher, error) {
	_, err := Parse(expr, c)
	var foreign *ForeignError
	if errors.As(err, &foreign) && beyond != nil {
		return beyond(expr, c)
	}
	if err != nil {
		return nil, err
	}
	re, err := regexp.Compile(withCase(expr, c))
	if err != nil {
		return nil, explain(err)
	}
	return (*linear)(re), nil
}

// Parse parses an expression of the linear engine within its bounds.
func Parse(expr string, c Case) (*syntax.Regexp, error) {
	if len(expr) > MaxSource {
		return nil, fmt.Errorf("expression of %d octets is too long, at most %d are allowed", len(expr), MaxSource)
	}
	tree, err := syntax.Parse(withCase(expr, c), syntax.Perl)
	if err != nil {
		return nil, explain(err)
	}
	if n := programSize(tree); n > MaxProgram {
		return nil, fmt.Errorf("expression needs about %d instructions, at most %d are allowed: use smaller repeat counts", n, MaxProgram)
	}
	return tree, nil
}

func withCase(expr string, c Case) string {
	if c == Fold {
		return "(?i)" + expr
	}
	return expr
}

// programSize is about the number of instructions that an expression compiles
// to, found without compiling it: nested repeats would cost memory first. It
// is never much too low; a huge size saturates.
func programSize(re *syntax.Regexp) int {
	n := 1
	switch re.Op {
	case syntax.OpLiteral:
		n = len(re.Rune)
	case syntax.OpCharClass:
		n += len(re.Rune) / 16 // ranges cost time and memory too
	case syntax.OpCapture:
		n = 2
	}
	for _, sub := range re.Sub {
		n += programSize(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min+1, re.Max, 1)
	}
	return min(n, 1<<30)
}

// linear executes an expression with package regexp.
type linear regexp.Regexp

func (l *linear) Match(subject []byte, caps *Captures) (bool, error) {
	re := (*regexp.Regexp)(l)
	if caps == nil {
		return re.Match(subject), nil
	}
	*caps = None()
	if re.NumSubexp() == 0 { // nothing to find, and nothing to allocate
		return re.Match(subject), nil
	}
	loc := re.FindSubmatchIndex(subject)
	copy(caps[:], loc)
	return loc != nil, nil
}

func (l *linear) Names() []string { return (*regexp.Regexp)(l).SubexpNames() }
