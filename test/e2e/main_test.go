package e2e

import (
	"os"
	"testing"

	"daemun/internal/daemuntest"
)

// bin holds the built program; set once, before any test runs.
var bin string

func TestMain(m *testing.M) { os.Exit(daemuntest.Main(m, &bin, daemuntest.RaceFlags())) }

// up starts an instance on manifests and waits until it is ready.
func up(t *testing.T, manifests map[string]string, args ...string) *daemuntest.Instance {
	t.Helper()
	return daemuntest.Up(t, daemuntest.Options{Bin: bin, Args: args}, manifests)
}
