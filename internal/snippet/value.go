package snippet

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"daemun/internal/ir"
)

var fieldName = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)

// framing are fields that Daemun makes for each message.
var framing = []string{
	"connection", "content-length", "date", "keep-alive", "location", "te", "trailer", "transfer-encoding", "upgrade",
}

// checkField says why a field cannot be set, "" if it can. star allows a "*" at
// the end.
func checkField(name string, star bool) string {
	bare := name
	if star {
		bare = strings.TrimSuffix(name, "*")
	}
	switch {
	case !fieldName.MatchString(bare):
		return strconv.Quote(name) + " is no field name: write letters, digits, - and _"
	case slices.Contains(framing, strings.ToLower(name)):
		return "the field " + name + " belongs to the connection, and Daemun makes it itself"
	}
	return ""
}

// units of nginx's times.
var units = map[string]time.Duration{
	"ms": time.Millisecond, "s": time.Second, "": time.Second, "m": time.Minute, "h": time.Hour,
	"d": 24 * time.Hour, "w": 7 * 24 * time.Hour, "M": 30 * 24 * time.Hour, "y": 365 * 24 * time.Hour,
}

var timePart = regexp.MustCompile(`^(\d{1,9})(ms|[smhdwMy]?)`)

// duration reads nginx's times: "60", "1m30s", "500ms".
func duration(s string) (d time.Duration, ok bool) {
	if s == "" {
		return 0, false
	}
	for s != "" {
		m := timePart.FindStringSubmatch(s)
		if m == nil {
			return 0, false
		}
		n, _ := strconv.ParseInt(m[1], 10, 64) // nine digits at most
		unit := units[m[2]]
		if n > math.MaxInt64/int64(unit) || d > math.MaxInt64-time.Duration(n)*unit {
			return 0, false
		}
		d += time.Duration(n) * unit
		s = strings.TrimLeft(s[len(m[0]):], " ")
	}
	return d, true
}

// size reads nginx's sizes: "8k", "1m", "1g".
func size(s string) (n int64, ok bool) {
	shift := 0
	switch {
	case strings.HasSuffix(s, "k"), strings.HasSuffix(s, "K"):
		shift = 10
	case strings.HasSuffix(s, "m"), strings.HasSuffix(s, "M"):
		shift = 20
	case strings.HasSuffix(s, "g"), strings.HasSuffix(s, "G"):
		shift = 30
	}
	if shift > 0 {
		s = s[:len(s)-1]
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64>>shift {
		return 0, false
	}
	return n << shift, true
}

// status reads a status code.
func status(s string) (code int, ok bool) {
	code, err := strconv.Atoi(s)
	return code, err == nil && len(s) == 3 && code >= 200 && code <= 599
}

func isRedirect(code int) bool {
	return slices.Contains([]int{301, 302, 303, 307, 308}, code)
}

// addStatuses are those for which add_header and expires act without "always".
var addStatuses = []int{200, 201, 204, 206, 301, 302, 303, 304, 307, 308}

// requestEdit is an edit of a request.
func requestEdit(kind ir.EditKind, name, value string) ir.FieldEdit {
	return ir.FieldEdit{Kind: kind, Name: name, Value: value}
}
