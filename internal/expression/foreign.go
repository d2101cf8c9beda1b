package expression

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"strings"
)

// ForeignError says that an expression has what the linear engine cannot run.
type ForeignError struct {
	// Construct is its name, Text how it is written.
	Construct, Text string
}

func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s (%q) is not supported: expressions run in a linear engine with RE2 syntax", e.Construct, e.Text)
}

// explain turns the parser's error into a sentence that names the part and, for
// PCRE only constructs, the reason.
func explain(err error) error {
	var se *syntax.Error
	if !errors.As(err, &se) {
		return fmt.Errorf("compile expression: %w", err)
	}
	for _, c := range pcreOnly {
		if strings.HasPrefix(se.Expr, c.start) {
			return &ForeignError{c.name, se.Expr}
		}
	}
	if se.Code == syntax.ErrInvalidRepeatOp && strings.HasSuffix(se.Expr, "}+") {
		return &ForeignError{"a possessive quantifier", se.Expr}
	}
	return fmt.Errorf("%s: %q", se.Code, se.Expr)
}

// pcreOnly lists constructs of PCRE without a counterpart in RE2 by their
// first characters; the longer start stands first.
var pcreOnly = []struct{ start, name string }{
	{"(?<=", "look-behind"},
	{"(?<!", "look-behind"},
	{"(?=", "look-ahead"},
	{"(?!", "look-ahead"},
	{"(?>", "an atomic group"},
	{"(?(", "a conditional group"},
	{"(?R", "recursion"},
	{"++", "a possessive quantifier"},
	{"*+", "a possessive quantifier"},
	{"?+", "a possessive quantifier"},
	{`\1`, "a back reference"},
	{`\2`, "a back reference"},
	{`\3`, "a back reference"},
	{`\4`, "a back reference"},
	{`\5`, "a back reference"},
	{`\6`, "a back reference"},
	{`\7`, "a back reference"},
	{`\8`, "a back reference"},
	{`\9`, "a back reference"},
	{`\k`, "a back reference"},
	{`\K`, `\K`},
}
