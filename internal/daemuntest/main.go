package daemuntest

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// Main is for a TestMain of tests that start the program: it builds it, with
// flags of go build, puts the folder that holds it into *bin, runs the tests,
// and fails when they leave goroutines behind. It returns the exit code.
func Main(m *testing.M, bin *string, flags []string, ignore ...goleak.Option) int {
	dir, err := os.MkdirTemp("", "daemun-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := BuildTo(dir, flags...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	*bin = dir
	code := m.Run()
	if err := goleak.Find(ignore...); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}
