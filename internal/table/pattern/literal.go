package pattern

import (
	"regexp/syntax"
	"strings"
)

// literalPrefix is the lower-case text that every match begins with.
func literalPrefix(tree *syntax.Regexp) string {
	if tree.Op != syntax.OpConcat || tree.Sub[0].Op != syntax.OpBeginText {
		return ""
	}
	prefix := ""
	for _, sub := range tree.Sub[1:] {
		lit, ok := searchable(sub)
		prefix += lit
		if !ok {
			break
		}
	}
	return prefix
}

// searchable is the leading part of a literal that can be compared octet by
// octet with a lower-cased path; ok says that it is the whole literal. Unlike
// package regexp it does not fold k and s with the Kelvin sign and the long s:
// neither does nginx, which compares octets.
func searchable(re *syntax.Regexp) (lit string, ok bool) {
	if re.Op != syntax.OpLiteral {
		return "", false
	}
	b := make([]byte, 0, len(re.Rune))
	for _, r := range re.Rune {
		if r >= 0x80 {
			return string(b), false
		}
		b = append(b, lower(byte(r)))
	}
	return string(b), true
}

// required is the longest literal that occurs in every match.
func required(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		lit, _ := searchable(re)
		return lit
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpConcat:
		best, run := "", "" // run: literals in a row
		for _, sub := range re.Sub {
			if sub.Op != syntax.OpLiteral {
				best, run = longer(best, required(sub)), ""
				continue
			}
			lit, whole := searchable(sub)
			if best = longer(best, run+lit); whole {
				run += lit
			} else {
				run = ""
			}
		}
		return best
	}
	return ""
}

func longer(a, b string) string {
	if len(b) > len(a) {
		return b
	}
	return a
}

// LiteralPrefix is the lower-case text with which every path begins that an
// expression could match, taken from its source. It serves expressions that do
// not compile: whoever stands in for them must cover what they might match. It
// is "" when the expression is not anchored or not ASCII at the start.
func LiteralPrefix(expr string) string {
	text, anchored := strings.CutPrefix(expr, "^")
	if !anchored || strings.Contains(text, "|") {
		return ""
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\\' && i+1 < len(text) && strings.IndexByte(`./\-_~`, text[i+1]) >= 0 {
			i++
			c = text[i]
		} else if c >= 0x80 || strings.IndexByte(`\.+*?()|[]{}^$`, c) >= 0 {
			break
		}
		if i+1 < len(text) && strings.IndexByte("?*{", text[i+1]) >= 0 {
			break // the octet is optional
		}
		b.WriteByte(lower(c))
	}
	return b.String()
}
