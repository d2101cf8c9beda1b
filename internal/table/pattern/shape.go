package pattern

import "regexp/syntax"

// shape executes the common form of expressions: the start of the path, a
// literal, then at most one separator, one rest and one end. In this form the
// choice of every part is final, so one pass over the path is enough; the
// order of the parts is what makes it so, and newShape keeps it.
type shape struct {
	literal string // lower-case ASCII
	empty   int    // number of "()" groups after the literal
	sep     separator
	rest    rest
	end     bool // "$"
}

type separator uint8

const (
	noSeparator   separator = iota
	slashOrEnd              // "(/|$)", a group
	optionalSlash           // "/?"
)

type rest uint8

const (
	noRest      rest = iota
	anyRest          // ".*"
	capturedAny      // "(.*)"
)

// newShape recognises the form in a parsed expression.
func newShape(tree *syntax.Regexp) (*shape, bool) {
	if tree.Op != syntax.OpConcat || len(tree.Sub) == 0 || tree.Sub[0].Op != syntax.OpBeginText {
		return nil, false
	}
	parts := tree.Sub[1:]
	s := &shape{}
	for len(parts) > 0 && parts[0].Op == syntax.OpLiteral {
		lit, ok := foldedLiteral(parts[0])
		if !ok {
			return nil, false
		}
		s.literal += lit
		parts = parts[1:]
	}
	for len(parts) > 0 && isGroupOf(parts[0], syntax.OpEmptyMatch) {
		s.empty++
		parts = parts[1:]
	}
	if len(parts) > 0 {
		if s.sep = separatorOf(parts[0]); s.sep != noSeparator {
			parts = parts[1:]
		}
	}
	if len(parts) > 0 {
		if s.rest = restOf(parts[0]); s.rest != noRest {
			parts = parts[1:]
		}
	}
	if len(parts) > 0 && parts[0].Op == syntax.OpEndText {
		s.end = true
		parts = parts[1:]
	}
	return s, len(parts) == 0 && s.empty+2 < Groups
}

// foldedLiteral is the lower-case text of a literal. It fails outside ASCII,
// where folding is more than one bit, and for letters whose case counts.
func foldedLiteral(re *syntax.Regexp) (string, bool) {
	b := make([]byte, 0, len(re.Rune))
	for _, r := range re.Rune {
		if r >= 0x80 {
			return "", false
		}
		c := lower(byte(r))
		if c >= 'a' && c <= 'z' && re.Flags&syntax.FoldCase == 0 {
			return "", false
		}
		b = append(b, c)
	}
	return string(b), true
}

func isGroupOf(re *syntax.Regexp, op syntax.Op) bool {
	return re.Op == syntax.OpCapture && re.Sub[0].Op == op
}

func separatorOf(re *syntax.Regexp) separator {
	switch {
	case re.Op == syntax.OpQuest && re.Flags&syntax.NonGreedy == 0 && isSlash(re.Sub[0]):
		return optionalSlash
	case isGroupOf(re, syntax.OpAlternate):
		if alt := re.Sub[0].Sub; len(alt) == 2 && isSlash(alt[0]) && alt[1].Op == syntax.OpEndText {
			return slashOrEnd
		}
	}
	return noSeparator
}

func isSlash(re *syntax.Regexp) bool {
	return re.Op == syntax.OpLiteral && len(re.Rune) == 1 && re.Rune[0] == '/'
}

func restOf(re *syntax.Regexp) rest {
	switch {
	case isAny(re):
		return anyRest
	case re.Op == syntax.OpCapture && isAny(re.Sub[0]):
		return capturedAny
	}
	return noRest
}

func isAny(re *syntax.Regexp) bool {
	return re.Op == syntax.OpStar && re.Flags&syntax.NonGreedy == 0 && re.Sub[0].Op == syntax.OpAnyCharNotNL
}

func (s *shape) match(path []byte) bool {
	if !HasPrefixFold(path, s.literal) {
		return false
	}
	_, _, ok := s.run(path)
	return ok
}

// run returns where the separator ends and where the match ends; the literal
// has been compared.
func (s *shape) run(path []byte) (sep, end int, ok bool) {
	sep = len(s.literal)
	slash := sep < len(path) && path[sep] == '/'
	switch {
	case s.sep != noSeparator && slash:
		sep++
	case s.sep == slashOrEnd && sep < len(path):
		return 0, 0, false
	}
	end = sep
	if s.rest != noRest {
		end += lineEnd(path[sep:])
	}
	return sep, end, !s.end || end == len(path)
}

func (s *shape) captures(path []byte, caps *Captures) bool {
	if !HasPrefixFold(path, s.literal) {
		return false
	}
	sep, end, ok := s.run(path)
	if !ok {
		return false
	}
	lit := len(s.literal)
	caps[0], caps[1] = 0, end
	next := 1
	set := func(from, to int) {
		caps[2*next], caps[2*next+1] = from, to
		next++
	}
	for range s.empty {
		set(lit, lit)
	}
	if s.sep == slashOrEnd {
		set(lit, sep)
	}
	if s.rest == capturedAny {
		set(sep, end)
	}
	return true
}
