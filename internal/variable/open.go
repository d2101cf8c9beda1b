package variable

import "strings"

// User is a variable that a snippet sets, its argument is the name. Capture is
// a group of the last expression that matched, its argument is the digit.
const (
	User    ID = 254
	Capture ID = 255
)

// ParseOpen reads a text of a snippet: "$1" to "$9" are captures, and a name
// that is none of nginx's is a variable that some snippet sets. Users are those
// names, in their order.
func ParseOpen(s string) (t *Text, users []string) {
	t = &Text{source: s}
	for rest := s; rest != ""; {
		at := strings.IndexByte(rest, '$')
		if at < 0 {
			t.add(rest)
			break
		}
		t.add(rest[:at])
		rest = rest[at+1:]
		if digit, after := cutCapture(rest); digit != "" {
			t.parts = append(t.parts, part{id: Capture, text: digit})
			rest = after
			continue
		}
		name, after := cutName(rest)
		if name == "" {
			t.add("$")
			continue
		}
		p, known := named(name)
		if !known {
			p = part{id: User, text: name}
			users = append(users, name)
		}
		t.parts = append(t.parts, p)
		rest = after
	}
	return t, users
}

// cutCapture cuts one digit off the front, or one in braces.
func cutCapture(s string) (digit, rest string) {
	if len(s) > 0 && s[0] >= '1' && s[0] <= '9' {
		return s[:1], s[1:]
	}
	if len(s) > 2 && s[0] == '{' && s[1] >= '1' && s[1] <= '9' && s[2] == '}' {
		return s[1:2], s[3:]
	}
	return "", s
}

// Known reports whether nginx has a variable of this name.
func Known(name string) bool {
	_, ok := named(name)
	return ok
}
