package policy

import (
	"daemun/internal/expression"
	"daemun/internal/ir"
)

// Canary decides which requests of a route go to its canary.
type Canary struct {
	header, value string
	pattern       expression.Matcher // nil with byPattern: it does not compile
	byPattern     bool
	cookie        string
	weight, total uint64
}

// NewCanary returns nil for nil.
func NewCanary(c *ir.Canary, beyond expression.Engine) *Canary {
	if c == nil {
		return nil
	}
	made := &Canary{
		header: c.Header, value: c.HeaderValue, cookie: c.Cookie,
		weight: uint64(max(0, c.Weight)), total: uint64(max(100, c.Total)),
	}
	if c.HeaderPattern != "" && c.HeaderValue == "" {
		made.byPattern = true
		made.pattern, _ = expression.Compile(c.HeaderPattern, expression.Exact, beyond)
	}
	return made
}

// Header is the name of the field that decides, "" if none does.
func (c *Canary) Header() string { return c.header }

// Cookies are those of a request; nil is a missing one.
type Cookies interface {
	Cookie(name string) []byte
}

// Chooses reports whether a request goes to the canary: by the field, the
// cookie, then the weight (ingress-nginx §6.3). present tells an empty field
// from none.
func (c *Canary) Chooses(field []byte, present bool, cookies Cookies, random uint64) bool {
	if present && c.header != "" {
		switch {
		case c.value != "":
			if string(field) == c.value {
				return true
			}
		case c.byPattern:
			if c.pattern == nil {
				return false
			}
			if matched, err := c.pattern.Match(field, nil); matched && err == nil {
				return true
			}
		case string(field) == "always":
			return true
		case string(field) == "never":
			return false
		}
	}
	if c.cookie != "" {
		switch string(cookies.Cookie(c.cookie)) {
		case "always":
			return true
		case "never":
			return false
		}
	}
	return random%c.total < c.weight
}

// SplitAffinity takes the value of an affinity cookie apart: the key, and the
// backend that it speaks of, which may be missing.
func SplitAffinity(cookie []byte) (key, backend []byte) {
	for i, c := range cookie {
		if c == '|' {
			return cookie[:i], cookie[i+1:]
		}
	}
	return cookie, nil
}
