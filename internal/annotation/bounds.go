package annotation

// The annotations of this file are Daemun's own: ingress-nginx has none for
// what they bound.

import (
	"errors"
	"math"
	"strings"
)

// parseMaxRequests reads the bound of a backend.
func parseMaxRequests(s string, v *Values) error {
	n, err := integer(strings.TrimSpace(s))
	switch {
	case err != nil:
		return errors.New(`is not an integer: write digits only, such as "1024"; 0 is no limit`)
	case n < 0 || n > math.MaxInt32:
		return errors.New("is out of range: write a number from 1 on, or 0 for no limit")
	}
	v.Balance.MaxRequests = n
	return nil
}
