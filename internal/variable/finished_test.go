package variable

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestParseLog: every text is a format; what is wrong with it is named.
func TestParseLog(t *testing.T) {
	t.Parallel()
	text, unknown, absent := ParseLog("$status $no ${no}$gzip_ratio$upstream_http_X_Id$")
	want := fmt.Sprintf("<%d> <%dno> <%dno><%dgzip_ratio><%dx_id>$", Status, User, User, Absent, UpstreamField)
	if got := string(text.Append(nil, fake{})); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if d := cmp.Diff([][]string{{"no"}, {"gzip_ratio"}}, [][]string{unknown, absent}); d != "" {
		t.Error(d)
	}
}

// TestNamesAreUnique: the lists of variables share no name.
func TestNamesAreUnique(t *testing.T) {
	t.Parallel()
	for name := range finishedIDs {
		if _, twice := ids[name]; twice {
			t.Errorf("$%s is in both lists", name)
		}
	}
	for _, name := range absentNames {
		if p, ok := named(name); !ok || p.id != Absent {
			t.Errorf("$%s has a value: take it off the list of those without", name)
		}
	}
}
