package lab

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// pollInterval is how often Until tries again.
const pollInterval = 20 * time.Millisecond

// final is an error that no further try can mend.
type final struct{ error }

// Final marks an error for Until: trying again would not help.
func Final(err error) error { return final{err} }

// Until calls a function until it returns nil, a Final error, or the context
// ends; the error then is the last one.
func Until(ctx context.Context, try func() error) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	var last error
	for {
		err := try()
		var f final
		switch {
		case err == nil:
			return nil
		case errors.As(err, &f):
			return f.error
		case ctx.Err() == nil || last == nil:
			last = err // not that of a try cut off by the context
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), last)
		case <-tick.C:
		}
	}
}
