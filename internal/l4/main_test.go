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
	if os.Getenv(permissionEnv) != "" {
		os.Exit(permissionHelper())
	}
	goleak.VerifyTestMain(m)
}
