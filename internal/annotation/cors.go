package annotation

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"daemun/internal/ir"
)

// The validators of the lists of CORS.
var (
	corsOrigin  = regexp.MustCompile(`^([a-z][a-z0-9+.-]*://(\*\.)?[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)*(:[0-9]{1,5})?|null)$`)
	corsMethods = regexp.MustCompile(`^[A-Za-z]+( *,? *[A-Za-z]+)* *,? *$`)
	corsHeaders = regexp.MustCompile(`^[A-Za-z0-9_-]+( *,? *[A-Za-z0-9_-]+)* *,? *$`)
	corsExpose  = regexp.MustCompile(`^([A-Za-z0-9_-]+|\*)( *,? *([A-Za-z0-9_-]+|\*))* *,? *$`)
)

func defaultCORS() ir.CORS {
	return ir.CORS{
		Origins: []string{"*"}, Credentials: true,
		Methods: "GET, PUT, POST, DELETE, PATCH, OPTIONS",
		Headers: "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization",
		MaxAge:  1728000,
	}
}

// partlyBad is a value of which a part was taken.
type partlyBad struct{ msg string }

func (e *partlyBad) Error() string { return e.msg }

// parseOrigins takes the good elements of a list. When none is good, no origin
// is allowed: who names origins does not want all of them.
func parseOrigins(s string, v *Values) error {
	if len(s) > maxValue {
		v.cors.Origins = nil
		return &partlyBad{fmt.Sprintf("is longer than %d bytes; no origin is allowed", maxValue)}
	}
	var origins []string
	bad := ""
	for o := range strings.SplitSeq(s, ",") {
		switch o = strings.TrimSpace(o); {
		case o == "":
		case o == "*":
			v.cors.Origins = []string{"*"}
			return nil
		case !corsOrigin.MatchString(o):
			bad = o
		default:
			origins = append(origins, strings.ToLower(o))
		}
	}
	slices.Sort(origins)
	v.cors.Origins = slices.Compact(origins)
	switch {
	case bad == "":
		return nil
	case len(origins) == 0:
		return &partlyBad{fmt.Sprintf("holds no origin (%s is none): write scheme://host[:port], with *. before the host for any one label, null, or *; "+
			"no origin is allowed", quote(bad))}
	}
	return &partlyBad{fmt.Sprintf("holds %s, which is no origin: write scheme://host[:port], with *. before the host for any one label, null, or *; "+
		"the others are allowed", quote(bad))}
}

func parseMaxAge(s string, v *Values) error {
	n, err := strconv.Atoi(s)
	if err != nil {
		return errors.New(`is not an integer: write a number of seconds, such as "600"`)
	}
	v.cors.MaxAge = n
	return nil
}

// settleCORS makes the policy, unless CORS is off.
func (p *parsing) settleCORS() {
	v := &p.Values
	if v.enableCORS {
		v.CORS = new(v.cors)
	}
}
