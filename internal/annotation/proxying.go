package annotation

import (
	"errors"
	"strings"
)

func parseHTTPVersion(s string, v *Values) error {
	switch strings.TrimSpace(s) {
	case "1.0":
		v.HTTP10 = true
	case "1.1":
		v.HTTP10 = false
	default:
		return errors.New("is no version that backends are asked in: write 1.0 or 1.1; HTTP/2 comes with backend-protocol: GRPC")
	}
	return nil
}
