package annotation

import "fmt"

// Snippets are the texts in nginx's configuration language, as written.
type Snippets struct {
	Configuration, Server, Auth, Stream string
}

// Any reports whether there is one.
func (s *Snippets) Any() bool { return *s != Snippets{} }

// maxSnippet bounds one text.
const maxSnippet = 64 << 10

// snippet takes a text as it is: what it means is for package snippet to say.
func snippet(set func(v *Values, s string)) func(string, *Values) error {
	return func(s string, v *Values) error {
		if len(s) > maxSnippet {
			return &valueError{msg: fmt.Sprintf("is longer than %d bytes", maxSnippet), outcome: Deny}
		}
		set(v, s)
		return nil
	}
}
