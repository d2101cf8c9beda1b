package translate

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	"daemun/internal/expression"
)

const (
	// maxProgram bounds the compiled size of one expression, maxExpressions
	// the number of expressions of one host that are more than plain text
	// (H6.21).
	maxProgram     = 4096
	maxExpressions = 100
)

// isPlain reports whether a path means the same as text and as expression, up
// to letter case and ".".
func isPlain(path string) bool {
	for i := range len(path) {
		switch c := path[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '/', c == '-', c == '_', c == '.', c == '~', c == '%':
		default:
			return false
		}
	}
	return true
}

// looksLikeExpression reports whether a path has characters that only make
// sense in an expression.
func looksLikeExpression(path string) bool { return strings.ContainsAny(path, `()[]{}|*+?^$\`) }

// checkExpression says why a path cannot be executed as an expression with
// linear cost, "" if it can. What PCRE has beyond that is named with its place.
func checkExpression(expr string) string {
	if len(expr) >= expression.MaxSource { // "^" comes before it
		return fmt.Sprintf("is longer than %d bytes", expression.MaxSource-1)
	}
	if isPlain(expr) {
		return ""
	}
	if name, at := foreignConstruct(expr); name != "" {
		return fmt.Sprintf("uses %s at character %d, which expressions with linear cost (RE2 syntax) do not have", name, at+1)
	}
	parsed, err := syntax.Parse("(?i)^"+expr, syntax.Perl)
	if err != nil {
		return "is not a regular expression: " + strings.TrimPrefix(oneLine(err), "error parsing regexp: ")
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return "cannot be compiled: " + oneLine(err)
	}
	if len(program.Inst) > maxProgram {
		return "is too large when compiled; repeat less"
	}
	if _, err := expression.Parse("^"+expr, expression.Fold); err != nil { // the bounds of the table
		return "cannot be used: " + err.Error()
	}
	return ""
}

// costly says why an expression that is wrong for the linear engine needs the
// one with back-tracking, "" if that cannot run it either.
func (h *host) costly(expr, wrong string) string { return needsBeyond(expr, wrong, h.beyond) }

func needsBeyond(expr, wrong string, beyond expression.Engine) string {
	if name, _ := foreignConstruct(expr); wrong == "" || name == "" || beyond == nil {
		return ""
	}
	if _, err := expression.Compile("^"+expr, expression.Fold, beyond); err != nil {
		return ""
	}
	return wrong
}

// groupConstructs are the openings of groups that PCRE has and RE2 lacks, the
// longer before the shorter.
var groupConstructs = []struct{ open, name string }{
	{"(?<=", "a look-behind (?<=…)"},
	{"(?<!", "a look-behind (?<!…)"},
	{"(?=", "a look-ahead (?=…)"},
	{"(?!", "a look-ahead (?!…)"},
	{"(?>", "an atomic group (?>…)"},
	{"(?|", "a branch reset (?|…)"},
	{"(?#", "a comment (?#…)"},
	{"(?(", "a condition (?(…)…)"},
	{"(?'", "a group name in quotes (?'…')"},
	{"(?P=", "a back-reference (?P=…)"},
	{"(?P>", "a subroutine call (?P>…)"},
	{"(?&", "a subroutine call (?&…)"},
	{"(?R", "a recursion (?R)"},
	{"(?+", "a subroutine call (?+…)"},
	{"(?C", "a callout (?C)"},
	{"(*", "a verb (*…)"},
}

// escapeConstructs are the escapes of PCRE that RE2 lacks or reads otherwise.
var escapeConstructs = map[byte]string{
	'k': `a back-reference \k`, 'g': `a back-reference \g`, 'K': `the match reset \K`, 'G': `the anchor \G`,
	'R': `the line break \R`, 'X': `the grapheme \X`, 'h': `the blank class \h`, 'H': `the blank class \H`,
	'v': `the blank class \v`, 'V': `the blank class \V`, 'N': `the class \N`, 'Z': `the anchor \Z`, 'e': `the escape \e`, 'c': `the control escape \c`,
}

// foreignConstruct finds the first construct of PCRE that RE2 lacks.
func foreignConstruct(expr string) (name string, at int) {
	for i := 0; i < len(expr); i++ {
		switch expr[i] {
		case '\\':
			if i+1 == len(expr) {
				return "", 0
			}
			i++
			c := expr[i]
			if c >= '1' && c <= '9' {
				return `a back-reference \` + string(c), i - 1
			}
			if c == 'Q' {
				end := strings.Index(expr[i:], `\E`)
				if end < 0 {
					return "", 0
				}
				i += end + 1
				continue
			}
			if name := escapeConstructs[c]; name != "" {
				return name, i - 1
			}
		case '[':
			i = classEnd(expr, i)
		case '(':
			for _, g := range groupConstructs {
				if strings.HasPrefix(expr[i:], g.open) {
					return g.name, i
				}
			}
			if strings.HasPrefix(expr[i:], "(?") && i+2 < len(expr) && (expr[i+2] >= '0' && expr[i+2] <= '9') {
				return "a subroutine call (?" + expr[i+2:i+3] + ")", i
			}
		case '*', '+', '?', '}':
			if i > 0 && i+1 < len(expr) && expr[i+1] == '+' {
				return "a possessive quantifier " + expr[i:i+2], i
			}
		}
	}
	return "", 0
}

// classEnd returns the index of the bracket that closes the class opened at i,
// or the end.
func classEnd(expr string, i int) int {
	i++
	if i < len(expr) && expr[i] == '^' {
		i++
	}
	if i < len(expr) && expr[i] == ']' {
		i++
	}
	for ; i < len(expr); i++ {
		switch {
		case expr[i] == '\\':
			i++
		case strings.HasPrefix(expr[i:], "[:"):
			if end := strings.Index(expr[i:], ":]"); end > 0 {
				i += end + 1
			}
		case expr[i] == ']':
			return i
		}
	}
	return len(expr)
}

// guardPattern returns an expression that matches at least what expr would, so
// that a route whose expression cannot be executed is denied instead of letting
// its requests fall to another route. It is expr without what is foreign, or
// the plain text at its beginning.
func guardPattern(expr string) string {
	if relaxed, ok := relax(expr); ok {
		return "^" + relaxed
	}
	if strings.ContainsRune(expr, '|') {
		return "^/" // an alternative may begin with anything
	}
	n := 0
	for n < len(expr) && isPlain(expr[n:n+1]) && expr[n] != '.' {
		n++
	}
	if n < len(expr) && strings.IndexByte("*?{", expr[n]) >= 0 && n > 0 {
		n-- // the last character may be absent
	}
	return "^" + regexp.QuoteMeta(expr[:n])
}

// relax widens an expression until it holds no foreign construct: conditions
// go, atomic groups become ordinary ones, possessive quantifiers greedy ones,
// and back-references anything.
func relax(expr string) (string, bool) {
	for name, at := foreignConstruct(expr); name != ""; name, at = foreignConstruct(expr) {
		rest := expr[at:]
		switch {
		case strings.HasPrefix(rest, "(?=") || strings.HasPrefix(rest, "(?!") || strings.HasPrefix(rest, "(?<"):
			end := groupEnd(expr, at)
			if end < 0 {
				return "", false
			}
			if end+1 < len(expr) && strings.IndexByte("*+?{", expr[end+1]) >= 0 {
				return "", false // the quantifier would reach what is before
			}
			expr = expr[:at] + expr[end+1:]
		case strings.HasPrefix(rest, "(?>"):
			expr = expr[:at] + "(?:" + rest[3:]
		case strings.HasPrefix(rest, `\K`), strings.HasPrefix(rest, `\G`):
			if len(rest) > 2 && strings.IndexByte("*+?{", rest[2]) >= 0 {
				return "", false
			}
			expr = expr[:at] + rest[2:]
		case len(rest) > 1 && rest[0] == '\\' && rest[1] >= '1' && rest[1] <= '9':
			expr = expr[:at] + ".*" + strings.TrimLeft(rest[2:], "0123456789")
		case strings.Contains(name, "possessive"):
			expr = expr[:at+1] + rest[2:]
		default:
			return "", false
		}
	}
	return expr, checkExpression(expr) == ""
}

// groupEnd returns the index of the parenthesis that closes the group opened at
// i, or -1.
func groupEnd(expr string, i int) int {
	depth := 0
	for ; i < len(expr); i++ {
		switch expr[i] {
		case '\\':
			if i+1 < len(expr) && expr[i+1] == 'Q' {
				return -1 // quoted text may hold parentheses
			}
			i++
		case '[':
			i = classEnd(expr, i)
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}
