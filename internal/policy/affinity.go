package policy

import (
	"bytes"
	"strconv"
	"time"

	"daemun/internal/ir"
)

// CookieOfAffinity is what an affinity cookie is made of.
type CookieOfAffinity struct {
	Settings  *ir.Affinity
	Key       []byte
	Backend   string // its key
	Path      string // of the route
	Secure    bool   // the client's connection is TLS
	UserAgent []byte
	Now       time.Time
}

// cookieTime is the date of RFC 6265 §4.1.1.
const cookieTime = "Mon, 02 Jan 2006 15:04:05 GMT"

// AppendCookie appends the value of Set-Cookie.
func (c *CookieOfAffinity) AppendCookie(dst []byte) []byte {
	s := c.Settings
	dst = append(dst, s.Name...)
	dst = append(dst, '=')
	dst = append(dst, c.Key...)
	dst = append(dst, '|')
	dst = append(dst, c.Backend...)
	if s.Expires != nil {
		dst = append(dst, "; Expires="...)
		dst = c.Now.Add(time.Duration(*s.Expires)*time.Second).UTC().AppendFormat(dst, cookieTime)
	}
	if s.MaxAge != nil {
		dst = append(dst, "; Max-Age="...)
		dst = strconv.AppendInt(dst, *s.MaxAge, 10)
	}
	if s.Domain != "" {
		dst = append(dst, "; Domain="...)
		dst = append(dst, s.Domain...)
	}
	dst = append(dst, "; Path="...)
	if s.Path != "" {
		dst = append(dst, s.Path...)
	} else {
		dst = append(dst, c.Path...)
	}
	if s.Secure || c.Secure {
		dst = append(dst, "; Secure"...)
	}
	dst = append(dst, "; HttpOnly"...)
	if s.SameSite != "" && !(s.ConditionalNone && s.SameSite == "None" && misreadsNone(c.UserAgent)) {
		dst = append(dst, "; SameSite="...)
		dst = append(dst, s.SameSite...)
	}
	return dst
}

// misreadsNone recognises the browsers that take SameSite=None for Strict.
func misreadsNone(agent []byte) bool {
	has := func(text string) bool { return bytes.Contains(agent, []byte(text)) }
	switch {
	case has("Chrome/4"), has("Chrome/5"), has("Chrome/6"):
		return true
	case has("iPhone OS 12_"), has("iPad; CPU OS 12_"), has("iPod touch; CPU iPhone OS 12_"):
		return true
	}
	return has("Mac OS X 10_14") && has("Safari/") && has("Version/") && !has("Chrome/")
}
