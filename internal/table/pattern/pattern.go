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
	"regexp/syntax"
)

// Limits of H6.21: the length of an expression in octets and the size of its
// compiled program in about instructions. The time of a match is bounded by the
// product of program size and path length.
const (
	MaxSource  = 1024
	MaxProgram = 2048
)

// Groups is the number of captures that a target can name: $0 to $9.
const Groups = 10

// Captures holds the positions of the groups of one match: group i is
// path[c[2*i]:c[2*i+1]], and -1 means that it took no part.
type Captures [2 * Groups]int

// Group returns the text of group i in the path that was matched; it is empty
// for a group that took no part or does not exist.
func (c *Captures) Group(path []byte, i int) []byte {
	if i < 0 || i >= Groups || c[2*i] < 0 {
		return nil
	}
	return path[c[2*i]:c[2*i+1]]
}

func (c *Captures) clear() {
	for i := range c {
		c[i] = -1
	}
}

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
	if len(expr) > MaxSource {
		return nil, fmt.Errorf("expression of %d octets is too long, at most %d are allowed", len(expr), MaxSource)
	}
	tree, err := syntax.Parse("(?i)"+expr, syntax.Perl)
	if err != nil {
		return nil, explainSyntax(err)
	}
	if n := programSize(tree); n > MaxProgram {
		return nil, fmt.Errorf("expression needs about %d instructions, at most %d are allowed: use smaller repeat counts", n, MaxProgram)
	}
	p := &Pattern{prefix: literalPrefix(tree), need: required(tree)}
	if s, ok := newShape(tree); ok {
		p.matcher = s
		return p, nil
	}
	re, err := regexp.Compile("(?i)" + expr)
	if err != nil {
		return nil, explainSyntax(err)
	}
	p.matcher = (*linear)(re)
	return p, nil
}

// Match reports whether the expression matches the normalised path.
func (p *Pattern) Match(path []byte) bool { return p.matcher.match(path) }

// Captures matches and fills caps; after false caps holds no groups. Only
// expressions outside the common shapes allocate.
func (p *Pattern) Captures(path []byte, caps *Captures) bool {
	caps.clear()
	return p.matcher.captures(path, caps)
}

// Prefix is the lower-case text that every match begins with, empty when the
// expression is not anchored at the start or begins with something variable.
func (p *Pattern) Prefix() string { return p.prefix }

// Need is the longest lower-case text that occurs in every match; empty when
// none is known. It and Prefix let a caller pass over an expression without
// running it.
func (p *Pattern) Need() string { return p.need }

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
