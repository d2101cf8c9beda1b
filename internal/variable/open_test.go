package variable

import (
	"slices"
	"testing"
)

type open struct{}

func (open) AppendVariable(dst []byte, id ID, arg string) []byte {
	switch id {
	case User:
		return append(dst, "<"+arg+">"...)
	case Capture:
		return append(dst, "["+arg+"]"...)
	}
	return append(dst, "known"...)
}

func TestParseOpen(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text, want string
		users      []string
	}{
		{"", "", nil},
		{"a$host/$1$10${2}x${mine}y$", "aknown/[1][1]0[2]x<mine>y$", []string{"mine"}},
		{"$$a ${host} ${ $0", "$<a> known ${ <0>", []string{"a", "0"}},
	} {
		text, users := ParseOpen(tt.text)
		if got := string(text.Append(nil, open{})); got != tt.want || !slices.Equal(users, tt.users) {
			t.Errorf("%q: %q %q", tt.text, got, users)
		}
	}
}
