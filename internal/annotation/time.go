package annotation

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// maxTime bounds what Time reads.
const maxTime = 100 * 365 * 24 * time.Hour

// Time reads nginx's times: numbers with units ("1m30s", "500ms", "1d"), of
// which a month has 30 days; a number alone is seconds.
func Time(s string) (total time.Duration, err error) {
	for rest := s; rest != ""; rest = strings.TrimLeft(rest, " ") {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, wrong := strconv.ParseUint(rest[:digits], 10, 31)
		if wrong != nil {
			return 0, errTime
		}
		unit, length := time.Second, 0
		for _, u := range timeUnits {
			if strings.HasPrefix(rest[digits:], u.name) {
				unit, length = u.is, len(u.name)
				break
			}
		}
		if rest = rest[digits+length:]; length == 0 && rest != "" {
			return 0, errTime
		}
		if time.Duration(n) > (maxTime-total)/unit {
			return 0, errTime
		}
		total += time.Duration(n) * unit
	}
	if s == "" {
		return 0, errTime
	}
	return total, nil
}

var errTime = errors.New("no time")

// timeUnits are the units of nginx, "ms" before "m".
var timeUnits = []struct {
	name string
	is   time.Duration
}{
	{"ms", time.Millisecond},
	{"s", time.Second},
	{"m", time.Minute},
	{"h", time.Hour},
	{"d", 24 * time.Hour},
	{"w", 7 * 24 * time.Hour},
	{"M", 30 * 24 * time.Hour},
	{"y", 365 * 24 * time.Hour},
}
