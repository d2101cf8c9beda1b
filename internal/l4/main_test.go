package l4

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(shortageEnv) != "" {
		os.Exit(shortageHelper())
	}
	goleak.VerifyTestMain(m)
}
