package annotation

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"daemun/internal/ir"
	"daemun/internal/variable"
)

// maxValue bounds every parsed value (H9.2).
const maxValue = 4096

// valueError is a bad value with an outcome other than that of its row.
type valueError struct {
	msg     string
	outcome Outcome
}

func (e *valueError) Error() string { return e.msg }

func outcomeOf(err error, bad Outcome) Outcome {
	if e, ok := errors.AsType[*valueError](err); ok {
		return e.outcome
	}
	return bad
}

// The character sets of the validators. CR and LF are in none of them.
var (
	pathChars = regexp.MustCompile(`^/?[-._~a-zA-Z0-9/:$]*$`)
	urlChars  = regexp.MustCompile(`^[-._~a-zA-Z0-9/:?&=,]*$`)
	nameChars = regexp.MustCompile(`^[-._~a-zA-Z0-9/:^$\[\](){}*+?|&=\\]*$`)
	hostChars = regexp.MustCompile(`^[-._~a-zA-Z0-9:\[\]]+$`)
	sizeChars = regexp.MustCompile(`^[0-9]+[bkmgBKMG]?$`)
	dnsLabel  = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)
)

// text checks a string against a character set and trims its lines.
func text(allowed *regexp.Regexp, want string, set func(v *Values, s string)) func(string, *Values) error {
	return func(s string, v *Values) error {
		if len(s) > maxValue {
			return fmt.Errorf("is longer than %d bytes", maxValue)
		}
		if !allowed.MatchString(s) {
			return errors.New("is not " + want)
		}
		set(v, strings.TrimSpace(s))
		return nil
	}
}

func boolean(set func(v *Values, b bool)) func(string, *Values) error {
	return func(s string, v *Values) error {
		b, err := strconv.ParseBool(s)
		if err != nil {
			return errors.New(`is not a boolean: write "true" or "false", without blanks`)
		}
		set(v, b)
		return nil
	}
}

func integer(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, errors.New(`is not an integer: write digits only, without unit or blanks, such as "60"`)
	}
	return n, nil
}

// seconds accepts lowest and more.
func seconds(lowest int, set func(v *Values, d ir.Duration)) func(string, *Values) error {
	return func(s string, v *Values) error {
		n, err := integer(s)
		if err != nil {
			return err
		}
		if n < lowest || n > math.MaxInt64/int(time.Second) {
			return fmt.Errorf("is out of range: write a number of seconds from %d on", lowest)
		}
		set(v, ir.Duration(time.Duration(n)*time.Second))
		return nil
	}
}

func parseTries(s string, v *Values) error {
	n, err := integer(s)
	if err != nil {
		return err
	}
	if n < 0 {
		return errors.New("is negative: write the number of attempts in total, or 0 for no limit")
	}
	v.Retry.Tries = n
	return nil
}

// statusCode takes the default when the number is out of range.
func statusCode(highest int, set func(v *Values, code int)) func(string, *Values) error {
	return func(s string, v *Values) error {
		n, err := integer(s)
		if err != nil {
			return fmt.Errorf("is not an integer: write a redirect status from 300 to %d", highest)
		}
		if n < 300 || n > highest {
			return &valueError{msg: fmt.Sprintf("is no redirect status: write one from 300 to %d", highest), outcome: UseDefault}
		}
		set(v, n)
		return nil
	}
}

func parseAppRoot(s string, v *Values) error {
	s = strings.TrimSpace(s)
	u, err := url.ParseRequestURI(s)
	if !pathChars.MatchString(s) || len(s) > maxValue || err != nil || u.IsAbs() || s[0] != '/' {
		return errors.New(`is not a path: it must begin with "/" and hold only letters, digits and the signs - . _ ~ / : $`)
	}
	v.AppRoot = s
	return nil
}

func parseProtocol(s string, v *Values) error {
	switch p := ir.Protocol(strings.ToUpper(strings.TrimSpace(s))); p {
	case ir.ProtocolHTTP, ir.ProtocolHTTPS, ir.ProtocolAuto, ir.ProtocolGRPC, ir.ProtocolGRPCS, ir.ProtocolFCGI:
		v.Protocol, v.ProtocolWritten = p, true
		return nil
	}
	return errors.New("is no protocol: write HTTP, HTTPS, AUTO_HTTP, GRPC, GRPCS or FCGI")
}

func parseSize(s string, v *Values) error {
	n, err := octets(s, "; 0 is unlimited")
	if err == nil {
		v.MaxBody = n
	}
	return err
}

// octets reads nginx's sizes. The suffix "b" passes ingress-nginx's validation
// but is not applied there; the default then rules.
func octets(s, hint string) (int64, error) {
	s = strings.TrimSpace(s)
	if len(s) > 32 || !sizeChars.MatchString(s) {
		return 0, errors.New(`is not a size: write digits and, if wanted, one of k, m, g, such as "8m"` + hint)
	}
	shift := 0
	switch s[len(s)-1] {
	case 'b', 'B':
		return 0, errors.New(`ends with b, which has no effect: write a number of bytes without unit, or with k, m or g`)
	case 'k', 'K':
		shift = 10
	case 'm', 'M':
		shift = 20
	case 'g', 'G':
		shift = 30
	}
	n, err := strconv.ParseInt(strings.TrimRight(s, "kKmMgG"), 10, 64)
	if err != nil || n > math.MaxInt64>>shift {
		return 0, errors.New("is too large" + hint)
	}
	return n << shift, nil
}

func parseRetryOn(s string, v *Values) error {
	var on ir.RetryOn
	off := false
	for word := range strings.FieldsSeq(s) {
		bit, ok := ir.RetryWord(word)
		if !ok {
			return fmt.Errorf("holds the unknown condition %s: write some of error, timeout, invalid_header, "+
				"http_500, http_502, http_503, http_504, http_403, http_404, http_429, non_idempotent, or off", quote(word))
		}
		on |= bit
		off = off || word == "off"
	}
	if off {
		on = 0
	}
	v.Retry.On = on
	return nil
}

func parseVhost(s string, v *Values) error {
	s = strings.TrimSpace(s)
	if len(s) <= 255 && strings.Contains(s, "$") && nameChars.MatchString(s) {
		if _, err := variable.Parse(s); err != nil {
			return &valueError{msg: "cannot be used: " + err.Error(), outcome: UseDefault}
		}
		v.UpstreamVhost = s
		return nil
	}
	if len(s) > 255 || !hostChars.MatchString(s) {
		return errors.New("is not a host name")
	}
	v.UpstreamVhost = s
	return nil
}

func parseAliases(s string, v *Values) error {
	if len(s) > maxValue {
		return fmt.Errorf("is longer than %d bytes", maxValue)
	}
	var names []string
	for name := range strings.SplitSeq(s, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if !nameChars.MatchString(name) {
			return fmt.Errorf("holds %s, which is not a server name: write host names with commas between them", quote(name))
		}
		names = append(names, name)
	}
	slices.Sort(names)
	v.ServerAlias = slices.Compact(names)
	return nil
}
