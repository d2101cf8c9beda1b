package backtrack

import (
	"regexp"
	"strings"
)

// repeats is a quantifier of an atom.
var repeats = regexp.MustCompile(`^(?:[*+?]|\{\d+(?:,\d*)?\})`)

// atomic writes possessive quantifiers, which the engine lacks, as the atomic
// groups that they stand for: "a++" is "(?>a+)". What it does not understand it
// leaves to the engine.
func atomic(expr string) string {
	if !strings.Contains(expr, "++") && !strings.Contains(expr, "*+") && !strings.Contains(expr, "?+") && !strings.Contains(expr, "}+") {
		return expr
	}
	var out []byte
	var open []int // where the groups begin in out that are not closed
	atom := -1     // where the last atom begins in out, -1 for none
	for i := 0; i < len(expr); {
		if q := repeats.FindString(expr[i:]); q != "" && atom >= 0 {
			out = append(out, q...)
			switch i += len(q); {
			case i < len(expr) && expr[i] == '+':
				group := "(?>" + string(out[atom:]) + ")"
				out = append(out[:atom], group...)
				i++
			case i < len(expr) && expr[i] == '?':
				out = append(out, '?')
				i++
			}
			atom = -1
			continue
		}
		n := 1
		switch expr[i] {
		case '\\':
			n, atom = min(2, len(expr)-i), len(out)
		case '[':
			n, atom = classLength(expr[i:]), len(out)
		case '(':
			n = openingLength(expr[i:])
			open, atom = append(open, len(out)), -1
		case ')':
			if atom = -1; len(open) > 0 {
				atom, open = open[len(open)-1], open[:len(open)-1]
			}
		case '|':
			atom = -1
		default:
			atom = len(out)
		}
		out = append(out, expr[i:i+n]...)
		i += n
	}
	return string(out)
}

// openingLength is how long the beginning of a group is: "?" in it is no
// quantifier.
func openingLength(s string) int {
	if strings.HasPrefix(s, "(?") {
		return 2
	}
	return 1
}

// classLength is how long the class is that s begins with.
func classLength(s string) int {
	i := 1
	if i < len(s) && s[i] == '^' {
		i++
	}
	if i < len(s) && s[i] == ']' {
		i++
	}
	for i < len(s) && s[i] != ']' {
		if end := strings.Index(s[i:], ":]"); strings.HasPrefix(s[i:], "[:") && end > 0 {
			i += end + 1
		} else if s[i] == '\\' {
			i++
		}
		i++
	}
	return min(i+1, len(s))
}
