package faults

import (
	"os"
	"testing"

	"daemun/internal/daemuntest"
)

// bin holds the built program; set once, before any test runs.
var bin string

func TestMain(m *testing.M) { os.Exit(daemuntest.Main(m, &bin, daemuntest.RaceFlags())) }
