// Package pattern turns the path expressions of Ingresses into matchers.
//
//	p, err := pattern.Compile("^/api(/|$)(.*)")
//	p.Match([]byte("/API/users"))     // true: expressions ignore case
//	p.Captures(path, &caps)           // caps.Group(path, 2) is "users"
//
// The shapes that nearly all Ingresses use ("^/api", "^/api(/|$)(.*)",
// "^/api/?(.*)") run in a small matcher that does not allocate; everything
// else runs in the linear engine of package regexp (H6.21). The package knows
// nothing of routes. A Pattern is immutable and safe for concurrent use.
package pattern

import (
	"bytes"
	"fmt"
	"regexp"

	"daemun/internal/expression"
)

// Groups is the number of captures that a target can name: $0 to $9.
const Groups = expression.Groups

// MaxSource and MaxProgram are the limits of expressions (H6.21).
const (
	MaxSource  = expression.MaxSource
	MaxProgram = expression.MaxProgram
)

// Captures holds the positions of the groups of one match.
type Captures = expression.Captures

// matcher is one way to execute an expression.
type matcher interface {
	match(path []byte) bool
	// captures fills caps, which the caller has cleared, when it matches.
	captures(path []byte, caps *Captures) bool
}

// Pattern is a compiled expression.
type Pattern struct {
	matcher matcher
	prefix  string
	need    string
}

// Compile compiles an expression in RE2 syntax without flags; it will ignore
// case. The error says what is wrong and, for the constructs of PCRE that a
// linear engine cannot execute, that they are the reason.
func Compile(expr string) (*Pattern, error) {
	tree, err := expression.Parse(expr, expression.Fold)
	if err != nil {
		return nil, err
	}
	p := &Pattern{prefix: literalPrefix(tree), need: required(tree)}
	if s, ok := newShape(tree); ok {
		p.matcher = s
		return p, nil
	}
	re, err := regexp.Compile("(?i)" + expr)
	if err != nil {
		return nil, fmt.Errorf("compile expression: %w", err)
	}
	p.matcher = (*linear)(re)
	return p, nil
}

// Match reports whether the expression matches the normalised path.
func (p *Pattern) Match(path []byte) bool { return p.matcher.match(path) }

// Captures matches and fills caps; after false caps holds no groups. Only
// expressions outside the common shapes allocate.
func (p *Pattern) Captures(path []byte, caps *Captures) bool {
	*caps = expression.None()
	return p.matcher.captures(path, caps)
}

// Prefix is the lower-case text that every match begins with, empty when the
// expression is not anchored at the start or begins with something variable.
func (p *Pattern) Prefix() string { return p.prefix }

// Need is the longest lower-case text that occurs in every match; empty when
// none is known. It and Prefix let a caller pass over an expression without
// running it.
func (p *Pattern) Need() string { return p.need }

// linear executes an expression with package regexp.
type linear regexp.Regexp

func (l *linear) match(path []byte) bool { return (*regexp.Regexp)(l).Match(path) }

func (l *linear) captures(path []byte, caps *Captures) bool {
	loc := (*regexp.Regexp)(l).FindSubmatchIndex(path)
	copy(caps[:], loc)
	return loc != nil
}

// HasPrefixFold reports whether path begins with prefix, which is lower-case
// ASCII, when the case of ASCII letters is ignored.
func HasPrefixFold(path []byte, prefix string) bool {
	if len(path) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if lower(path[i]) != prefix[i] {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}

func lineEnd(b []byte) int {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return i
	}
	return len(b)
}
