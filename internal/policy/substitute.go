package policy

import (
	"daemun/internal/ir"
	"daemun/internal/variable"
)

// Substitution replaces texts in the content of responses. It is immutable.
type Substitution struct {
	types []string
	pairs []textPair
	all   bool
	// LastModified keeps that field, and a weak ETag.
	LastModified bool
}

type textPair struct{ from, to *variable.Text }

// newSubstitution returns nil for nil.
func newSubstitution(s *ir.Substitution) *Substitution {
	if s == nil || len(s.Pairs) == 0 {
		return nil
	}
	made := &Substitution{types: append([]string{"text/html"}, s.Types...), all: s.All, LastModified: s.LastModified}
	for _, p := range s.Pairs {
		from, _ := variable.ParseOpen(p.From)
		to, _ := variable.ParseOpen(p.To)
		made.pairs = append(made.pairs, textPair{from, to})
	}
	return made
}

// ActsOn reports whether content of a type is changed.
func (s *Substitution) ActsOn(contentType []byte) bool {
	return len(contentType) > 0 && typeIn(s.types, contentType)
}

// Begin returns what replaces the texts in one content. Variables have the
// values that they have now. A text that is empty now is nowhere, and one that
// would become a very long one stays.
func (s *Substitution) Begin(from variable.Source) *Replacer {
	r := &Replacer{all: s.all}
	for _, p := range s.pairs {
		f, to := p.from.Append(nil, from), p.to.Append(nil, from)
		if len(f) == 0 || len(to) > longestText {
			continue
		}
		for i := range f {
			f[i] = lower(f[i])
		}
		r.pairs = append(r.pairs, replacement{from: f, to: to})
	}
	r.settle()
	return r
}

// Replacer replaces texts in one content that comes in pieces. What may be the
// beginning of a text waits for the next piece: less than the longest text.
type Replacer struct {
	pairs []replacement // those that may still be found
	first [256]bool     // octets that one of them begins with
	all   bool
	held  []byte
}

type replacement struct{ from, to []byte }

func (r *Replacer) settle() {
	clear(r.first[:])
	for i := range r.pairs {
		c := r.pairs[i].from[0]
		r.first[c] = true
		if c >= 'a' && c <= 'z' {
			r.first[c-'a'+'A'] = true
		}
	}
}

// Growth is how many octets one octet of the content can become at most.
func (r *Replacer) Growth() int {
	most := 1
	for i := range r.pairs {
		p := &r.pairs[i]
		most = max(most, (len(p.to)+len(p.from)-1)/len(p.from))
	}
	return most
}

// Append appends what a piece of the content becomes.
func (r *Replacer) Append(dst, piece []byte) []byte {
	r.held = append(r.held, piece...)
	dst, n := r.scan(dst, r.held, false)
	r.held = r.held[:copy(r.held, r.held[n:])]
	return dst
}

// End appends what is left of the content.
func (r *Replacer) End(dst []byte) []byte {
	dst, _ = r.scan(dst, r.held, true)
	r.held = r.held[:0]
	return dst
}

// scan returns how much of b it has dealt with: all of it if that is the end.
func (r *Replacer) scan(dst, b []byte, end bool) ([]byte, int) {
	copied := 0
	for i := 0; i < len(b); {
		if !r.first[b[i]] {
			i++
			continue
		}
		n, waits := r.at(b[i:], end)
		switch {
		case waits:
			return append(dst, b[copied:i]...), i
		case n < 0:
			i++
			continue
		}
		p := r.pairs[n]
		dst = append(append(dst, b[copied:i]...), p.to...)
		i += len(p.from)
		copied = i
		if !r.all {
			r.pairs = append(r.pairs[:n], r.pairs[n+1:]...)
			r.settle()
		}
	}
	return append(dst, b[copied:]...), len(b)
}

// at returns the first pair whose text b begins with, -1 for none; waits says
// that b is too short to tell.
func (r *Replacer) at(b []byte, end bool) (n int, waits bool) {
	for i := range r.pairs {
		from := r.pairs[i].from
		switch {
		case len(b) >= len(from):
			if isFolded(b[:len(from)], from) {
				return i, false
			}
		case !end && isFolded(b, from[:len(b)]):
			return -1, true
		}
	}
	return -1, false
}

// isFolded compares with a text of small letters of the same length.
func isFolded(b, small []byte) bool {
	for i, c := range small {
		if lower(b[i]) != c {
			return false
		}
	}
	return true
}
