package configmap

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"daemun/internal/annotation"
	"daemun/internal/ir"
)

func boolean(set func(v *Values, b bool)) func(string, *Values) error {
	return func(s string, v *Values) error {
		b, err := strconv.ParseBool(s)
		if err != nil {
			return errors.New(`is not a boolean: write "true" or "false"`)
		}
		set(v, b)
		return nil
	}
}

func integer(lowest, highest int, set func(v *Values, n int)) func(string, *Values) error {
	return func(s string, v *Values) error {
		n, err := strconv.Atoi(s)
		if err != nil {
			return errors.New(`is not an integer: write digits only, such as "60"`)
		}
		if n < lowest || n > highest {
			return fmt.Errorf("is out of range: write a number from %d to %d", lowest, highest)
		}
		set(v, n)
		return nil
	}
}

const maxSeconds = math.MaxInt64 / int(time.Second)

func seconds(lowest int, set func(v *Values, d ir.Duration)) func(string, *Values) error {
	return integer(lowest, maxSeconds, func(v *Values, n int) { set(v, ir.Duration(time.Duration(n)*time.Second)) })
}

// nginxTime reads nginx's times ("240s", "1m30s", "1d", "10"), seconds without
// unit; and those of Go, which some keys have.
func nginxTime(set func(v *Values, d time.Duration)) func(string, *Values) error {
	return func(s string, v *Values) error {
		d, err := annotation.Time(s)
		if err != nil {
			d, err = time.ParseDuration(s)
		}
		if err != nil || d < 0 {
			return errors.New(`is not a time: write a number and a unit, such as "240s" or "4m"`)
		}
		set(v, d)
		return nil
	}
}

// positiveTime is nginxTime without 0.
func positiveTime(set func(v *Values, d time.Duration)) func(string, *Values) error {
	return func(s string, v *Values) error {
		var read time.Duration
		if err := nginxTime(func(_ *Values, d time.Duration) { read = d })(s, v); err != nil {
			return err
		}
		if read == 0 {
			return errors.New(`is no time: write a number of seconds from 1 on, or one with a unit, such as "1h"`)
		}
		set(v, read)
		return nil
	}
}

func parseRisk(s string, v *Values) error {
	r, known := riskOf(s)
	if !known {
		return errors.New("is no risk: write Low, Medium, High or Critical")
	}
	v.MaxRisk = r
	return nil
}

// riskOf is the risk of a name.
func riskOf(s string) (risk annotation.Risk, known bool) {
	for _, r := range []annotation.Risk{annotation.Low, annotation.Medium, annotation.High, annotation.Critical} {
		if strings.EqualFold(s, r.String()) {
			return r, true
		}
	}
	return 0, false
}

// list reads texts with commas between them.
func list(set func(v *Values, words []string)) func(string, *Values) error {
	return func(s string, v *Values) error {
		var words []string
		for word := range strings.SplitSeq(s, ",") {
			if word = strings.TrimSpace(word); word != "" {
				words = append(words, word)
			}
		}
		slices.Sort(words)
		set(v, slices.Compact(words))
		return nil
	}
}

// paths reads a list of path prefixes.
func paths(set func(v *Values, words []string)) func(string, *Values) error {
	return func(s string, v *Values) error {
		for word := range strings.SplitSeq(s, ",") {
			if !strings.HasPrefix(strings.TrimSpace(word), "/") {
				return errors.New(`is no list of paths: write paths that begin with "/", with commas between them`)
			}
		}
		return list(set)(s, v)
	}
}

func parseRedirectCode(s string, v *Values) error {
	n, err := strconv.Atoi(s)
	if err != nil || !slices.Contains([]int{301, 302, 307, 308}, n) {
		return errors.New("is no redirect status: write 301, 302, 307 or 308")
	}
	v.Settings.HTTPRedirectCode = n
	return nil
}

// globalAuth reads a key like an annotation of external authentication.
func globalAuth(name string) func(string, *Values) error {
	return func(s string, v *Values) error {
		scratch := annotation.Defaults()
		scratch.External = v.GlobalAuth
		if err := annotation.SetDefault(name, s, &scratch); err != nil {
			return err
		}
		v.GlobalAuth = scratch.External
		return nil
	}
}

var (
	objectName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`)
	// namespaceName is without its length, as hostName is.
	namespaceName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	fieldWord     = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
)

// reference reads "namespace/name" of a ConfigMap.
func reference(set func(v *Values, s string)) func(string, *Values) error {
	return func(s string, v *Values) error {
		if !objectName.MatchString(s) {
			return errors.New("is no name of a ConfigMap: write namespace/name")
		}
		set(v, s)
		return nil
	}
}

// maxSnippet bounds one text.
const maxSnippet = 64 << 10

// snippet takes a text as it is: what it means is for package snippet to say.
func snippet(set func(v *Values, s string)) func(string, *Values) error {
	return func(s string, v *Values) error {
		if len(s) > maxSnippet {
			return fmt.Errorf("is longer than %d bytes", maxSnippet)
		}
		set(v, s)
		return nil
	}
}

// fieldNames reads a list of field names.
func fieldNames(set func(v *Values, names []string)) func(string, *Values) error {
	return func(s string, v *Values) error {
		for word := range strings.SplitSeq(s, ",") {
			if word = strings.TrimSpace(word); word != "" && !fieldWord.MatchString(word) {
				return fmt.Errorf("holds %.80q, which is no field name: write names with commas between them", word)
			}
		}
		return list(set)(s, v)
	}
}

// A length is compared and not part of the expression: each process would spend
// a part of a millisecond on it at its start.
const maxHostName = 253

var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?$`)

// hostOf reads the name or the address of another machine; an IPv6 address may
// stand in brackets.
func hostOf(set func(v *Values, host string)) func(string, *Values) error {
	return func(s string, v *Values) error {
		bare := strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
		if _, err := netip.ParseAddr(bare); err != nil && (len(s) > maxHostName || !hostName.MatchString(s)) {
			return errors.New("is not a host name or an address: write one without scheme and port, such as collector.observability.svc")
		}
		set(v, bare)
		return nil
	}
}
