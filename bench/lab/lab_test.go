package lab

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const perfReport = `
    40.00%  [k] tcp_sendmsg
    20.00%  [k] _copy_from_iter
    15.50%  [.] crypto/internal/fips140/aes/gcm.gcmAesEnc
    10.00%  [.] daemun/internal/http1.(*Reader).Line
     5.00%  [.] runtime.findRunnable
     4.50%  [.] runtime.memmove
     3.00%  [.] internal/runtime/syscall/linux.Syscall6
     2.00%  [.] runtime.mallocgc
`

func TestProfileIsGroupedByWhatFunctionsDo(t *testing.T) {
	t.Parallel()
	got, functions := parseProfile(perfReport)
	want := []Share{
		{"kernel network", 40}, {"kernel copies", 20}, {"crypto", 15.5}, {"Daemun", 10}, {"Go scheduler", 5}, {"copies", 4.5}, {"system call entry", 3}, {"collector and allocation", 2},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(functions) != 8 || functions[0] != (Share{"tcp_sendmsg", 40}) {
		t.Errorf("functions: %v", functions)
	}
}

func TestJSONIsFoundAmongMessages(t *testing.T) {
	t.Parallel()
	var got struct{ Requests int }
	if err := JSON([]byte("a warning\n{not this}\n{\"Requests\":3}\n"), &got); err != nil || got.Requests != 3 {
		t.Errorf("%v, error %v", got, err)
	}
	if err := JSON([]byte("no result\n"), &got); err == nil {
		t.Error("no error without a result")
	}
}

func TestMedianIsTheMiddleOfUnsortedFigures(t *testing.T) {
	t.Parallel()
	if got := Median([]int{9, 1, 5}, func(i int) int { return i }); got != 5 {
		t.Errorf("%d, want 5", got)
	}
}

// TestCostCountsFromTheMark: also when the mark comes in pieces, and once only.
func TestCostCountsFromTheMark(t *testing.T) {
	t.Parallel()
	reads := 0
	m := &marked{mark: []byte("start"), seen: func() (time.Duration, error) { reads++; return time.Duration(reads), nil }}
	for _, piece := range []string{"warm-up\nst", "art\n", "start\n"} {
		if _, err := m.Write([]byte(piece)); err != nil {
			t.Fatal(err)
		}
	}
	if !m.found || reads != 1 || m.before != 1 || m.all.String() != "warm-up\nstart\nstart\n" {
		t.Errorf("%d reads, %+v", reads, m)
	}
}
