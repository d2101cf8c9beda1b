package annotation

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"daemun/internal/ir"
	"daemun/internal/variable"
)

// ClientAuth is what the annotations say about client certificates.
type ClientAuth struct {
	// Secret is "namespace/name"; empty asks for nothing.
	Secret string
	ir.ClientAuth
}

func parseDepth(set func(v *Values, n int)) func(string, *Values) error {
	return func(s string, v *Values) error {
		n, err := integer(s)
		if err != nil || n < 0 || n > 100 {
			return errors.New(`is not a number of certificates from 0 to 100, such as "1"`)
		}
		set(v, max(n, 1)) // as ingress-nginx
		return nil
	}
}

var errorPageChars = regexp.MustCompile(`^[-._~a-zA-Z0-9/:?&=$%+,@{}]+$`)

func parseErrorPage(s string, v *Values) error {
	s = strings.TrimSpace(s)
	if len(s) > maxValue || !errorPageChars.MatchString(s) {
		return errors.New("is not a URL")
	}
	if !strings.HasPrefix(s, "http://") && !strings.HasPrefix(s, "https://") {
		return &partlyBad{"is no URL that a client could be redirected to, so that it gets 400: write http:// or https:// and a host"}
	}
	if _, err := variable.Parse(s); err != nil {
		return fmt.Errorf("cannot be used: %w", err)
	}
	v.Client.ErrorPage = s
	return nil
}

func parseMatchCN(s string, v *Values) error {
	s = strings.TrimSpace(s)
	if !strings.HasPrefix(s, "CN=") || len(s) > 1024 || strings.ContainsAny(s, "\r\n") {
		return errors.New("does not begin with CN=: write an expression for the subject, such as CN=alice")
	}
	if err := v.expression(s); err != nil {
		return fmt.Errorf("cannot be used: %w", err)
	}
	v.Client.MatchCN = s
	return nil
}
