package policy

import (
	"bytes"

	"daemun/internal/expression"
	"daemun/internal/ir"
)

// cookieFlags are the flags of the cookies of one name or expression.
type cookieFlags struct {
	*ir.CookieFlags
	expr expression.Matcher // nil: the name as it is
}

// newCookieFlags leaves expressions out that do not compile, which translation
// has refused.
func newCookieFlags(list []ir.CookieFlags, beyond expression.Engine) (made []cookieFlags) {
	for i := range list {
		f := cookieFlags{CookieFlags: &list[i]}
		if f.Expression {
			var err error
			if f.expr, err = expression.Compile(f.Cookie, expression.Fold, beyond); err != nil {
				continue
			}
		}
		made = append(made, f)
	}
	return made
}

func (f *cookieFlags) acts(name []byte) bool {
	if f.expr == nil {
		return equalFold(name, f.Cookie)
	}
	matched, err := f.expr.Match(name, nil)
	return matched && err == nil
}

// appendFlags appends the value of a Set-Cookie field with the flags of the first
// entry that its cookie has; ok is false, and nothing is appended, without one.
func (r *Response) appendFlags(dst, value []byte) (out []byte, ok bool) {
	pair, rest, _ := bytes.Cut(value, []byte{';'})
	name, _, _ := bytes.Cut(pair, []byte{'='})
	name = bytes.TrimSpace(name)
	for i := range r.flags {
		if f := &r.flags[i]; f.acts(name) {
			return f.append(append(dst, pair...), rest), true
		}
	}
	return dst, false
}

// append appends the attributes of a cookie, changed, and those that are missing.
func (f *cookieFlags) append(dst, rest []byte) []byte {
	secure, only, site := f.Secure, f.HTTPOnly, f.SameSite
	for len(rest) > 0 {
		var attribute []byte
		attribute, rest, _ = bytes.Cut(rest, []byte{';'})
		attribute = bytes.TrimSpace(attribute)
		key, _, _ := bytes.Cut(attribute, []byte{'='})
		key = bytes.TrimSpace(key)
		switch {
		case len(key) == 0, equalFold(key, "secure") && secure == ir.FlagOff, equalFold(key, "httponly") && only == ir.FlagOff,
			equalFold(key, "samesite") && site == ir.FlagOff:
			continue
		case equalFold(key, "secure"):
			secure = ""
		case equalFold(key, "httponly"):
			only = ""
		case equalFold(key, "samesite") && site != "":
			attribute, site = []byte("SameSite="+site), ""
		}
		dst = append(append(dst, "; "...), attribute...)
	}
	if secure == ir.FlagOn {
		dst = append(dst, "; Secure"...)
	}
	if only == ir.FlagOn {
		dst = append(dst, "; HttpOnly"...)
	}
	if site != "" && site != ir.FlagOff {
		dst = append(append(dst, "; SameSite="...), site...)
	}
	return dst
}
