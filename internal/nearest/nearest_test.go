package nearest

import (
	"math"
	"strings"
	"testing"
)

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"port", "port", 0},
		{"nmber", "number", 1},
		{"kitten", "sitting", 3},
		{strings.Repeat("a", 101), "a", math.MaxInt},
	} {
		if got := Distance(c.a, c.b); got != c.want {
			t.Errorf("Distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestName(t *testing.T) {
	t.Parallel()
	known := []string{"number", "name", "containerPort", "rewrite-target"}
	for name, want := range map[string]string{
		"nmber": "number", "ContainerPort": "containerPort", "rewrite-taget": "rewrite-target", "nam": "name", "x": "", "wholly-other": "",
	} {
		if got := Name(name, known); got != want {
			t.Errorf("Name(%q) = %q, want %q", name, got, want)
		}
	}
}
