package translate

import (
	"fmt"
	"strings"
	"testing"
)

// TestManyUnusableUsersAreOneText: a Secret that is no list of users names the
// first few, shortened.
func TestManyUnusableUsersAreOneText(t *testing.T) {
	t.Parallel()
	var n names
	n.add("ann")
	if got := n.String(); got != `user "ann"` {
		t.Error(got)
	}
	n.add(strings.Repeat("b", 500))
	for i := range 1000 {
		n.add(fmt.Sprint(i))
	}
	if got, want := n.String(), `each of the users "ann", "`+strings.Repeat("b", 40)+`", "0" and 999 more`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
