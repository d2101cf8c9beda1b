package table

import (
	"errors"
	"fmt"

	"daemun/internal/expression"
	"daemun/internal/table/pattern"
)

// capturer finds the groups of an expression in a path.
type capturer interface {
	Captures(path []byte, caps *pattern.Captures) bool
}

// foreign is an expression that the linear engine cannot run.
type foreign struct {
	expression.Matcher
	// prefix is what every match begins with, in lower case.
	prefix string
}

// compileExpression compiles the expression of a path, which ignores case, for
// the linear engine if that can run it.
func compileExpression(expr string, beyond expression.Engine) (m pathMatcher, c capturer, err error) {
	p, err := pattern.Compile(expr)
	if err == nil {
		return p, p, nil
	}
	var construct *expression.ForeignError
	if beyond == nil || !errors.As(err, &construct) {
		return nil, nil, err
	}
	made, err := beyond(expr, expression.Fold)
	if err != nil {
		return nil, nil, fmt.Errorf("%w (%w)", err, construct)
	}
	f := &foreign{Matcher: made, prefix: pattern.LiteralPrefix(expr)}
	return f, f, nil
}

// Match counts a path that the engine has given up on as one that matches:
// passing over it would hand requests that the route may guard to another.
func (f *foreign) Match(path []byte) bool {
	matched, costly := f.try(path)
	return matched || costly
}

// try says as well whether it is not known if a path matches.
func (f *foreign) try(path []byte) (matched, costly bool) {
	matched, err := f.Matcher.Match(path, nil)
	return matched, err != nil
}

func (f *foreign) Captures(path []byte, caps *pattern.Captures) bool {
	*caps = expression.None()
	matched, err := f.Matcher.Match(path, caps)
	return matched && err == nil
}
