package table

import (
	"strings"

	"daemun/internal/table/pattern"
)

// pathMatcher decides about one route of a host in regex mode.
type pathMatcher interface {
	Match(path []byte) bool
}

var (
	_ pathMatcher = (*pattern.Pattern)(nil)
	_ pathMatcher = (*foreign)(nil)
	_ pathMatcher = exactPath("")
	_ pathMatcher = prefixPath{}
	_ pathMatcher = foldedPrefix("")
)

// exactPath is a whole path.
type exactPath string

func (e exactPath) Match(path []byte) bool { return string(path) == string(e) }

// prefixPath is a prefix of whole path elements.
type prefixPath struct {
	bare  string // without the final slash
	slash bool   // the path must go on with one
}

func newPrefixPath(p string) prefixPath {
	bare, slash := strings.CutSuffix(p, "/")
	return prefixPath{bare, slash}
}

func (p prefixPath) Match(path []byte) bool {
	if len(path) < len(p.bare) || string(path[:len(p.bare)]) != p.bare {
		return false
	}
	if len(path) == len(p.bare) {
		return !p.slash
	}
	return path[len(p.bare)] == '/'
}

// foldedPrefix stands in for an expression that does not compile: everything
// that begins with its literal text, in lower case.
type foldedPrefix string

func (f foldedPrefix) Match(path []byte) bool { return pattern.HasPrefixFold(path, string(f)) }
