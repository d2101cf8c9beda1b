package annotation

import (
	"errors"
	"regexp"
	"strings"
)

var realmChars = regexp.MustCompile(`^[-._~a-zA-Z0-9/: ]*$`)

// Auth is what the annotations say about basic and digest authentication.
type Auth struct {
	// Type is "basic", "digest" or empty.
	Type string
	// Secret is "namespace/name", or the name of a Secret in the namespace of
	// the Ingress.
	Secret string
	// Map says that each key of the Secret is a user; otherwise its key "auth"
	// is an htpasswd file.
	Map   bool
	Realm string
}

// oneOf reads one of some words.
func oneOf(words []string, set func(v *Values, word string)) func(string, *Values) error {
	return func(s string, v *Values) error {
		s = strings.TrimSpace(s)
		for _, w := range words {
			if s == w {
				set(v, s)
				return nil
			}
		}
		return errors.New("is none of " + strings.Join(words, ", "))
	}
}
