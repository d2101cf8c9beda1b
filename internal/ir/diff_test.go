package ir_test

import (
	"fmt"
	"strings"
	"testing"

	"daemun/internal/ir"
)

func TestDiff(t *testing.T) {
	t.Parallel()
	known := map[string]*ir.Host{}
	// list makes hosts; the same text is the same pointer, and "a'" another
	// host of the name a.
	list := func(text string) (hosts []*ir.Host) {
		for _, word := range strings.Fields(text) {
			if known[word] == nil {
				known[word] = &ir.Host{Name: strings.TrimRight(word, "'")}
			}
			hosts = append(hosts, known[word])
		}
		return hosts
	}
	for _, tt := range []struct{ before, after, want string }{
		{"", "", ""},
		{"a b c", "a b c", ""},
		{"a b c", "a b' c", "b~"},
		{"a c", "a b c", "b+"},
		{"a b c", "a c", "b-"},
		{"a b", "b c", "a- c+"},
		{"", "a b", "a+ b+"},
		{"a b", "", "a- b-"},
		{"a b c d", "a' b d' e", "a~ c- d~ e+"},
	} {
		var got []string
		ir.DiffHosts(list(tt.before), list(tt.after), func(old, now *ir.Host) {
			switch {
			case old == nil:
				got = append(got, now.Name+"+")
			case now == nil:
				got = append(got, old.Name+"-")
			default:
				got = append(got, fmt.Sprint(now.Name, "~"))
			}
		})
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%q to %q: %q, want %q", tt.before, tt.after, s, tt.want)
		}
	}
}
