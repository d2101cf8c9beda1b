// Package echo is the built-in image daemun/echo: a server that tells what it
// received and who it is, for demonstrations and tests. It understands what
// the clients of the Gateway API conformance suite expect of echo-basic.
//
// It runs as its own process (a container's program) and knows nothing of the
// rest of Daemun.
package echo

import (
	"context"
	"io"
)

// Run serves in the mode that the environment chooses until ctx ends. getenv
// is os.Getenv outside tests; log lines go to out.
func Run(ctx context.Context, getenv func(string) string, out io.Writer) error {
	panic("unimplemented")
}
