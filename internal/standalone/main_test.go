package standalone

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"daemun/internal/process"
)

func TestMain(m *testing.M) {
	if process.ShimMain() {
		return
	}
	if len(os.Args) > 1 && os.Args[1] == helperArg {
		helper(os.Args[2:])
		return
	}
	goleak.VerifyTestMain(m)
}
