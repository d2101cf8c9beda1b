package snippet

import (
	"slices"
	"strings"

	"daemun/internal/expression"
	"daemun/internal/ir"
)

// maxCookieFlags bounds the entries that a cookie is compared with.
const maxCookieFlags = 100

func readCookieFlags(r *reader, d *directive) string {
	made := ir.CookieFlags{Cookie: d.args[0].text}
	if len(d.args) == 1 {
		if made.Cookie != "off" {
			return "it has the wrong number of arguments: write a cookie and flags, or off"
		}
		return r.apply(func(p *ir.Policies) { p.CookieFlags = nil })
	}
	if made.Cookie, made.Expression = strings.CutPrefix(made.Cookie, "~"); made.Expression {
		if wrong := r.expression(d, made.Cookie, expression.Fold); wrong != "" {
			return wrong
		}
	} else if strings.Contains(made.Cookie, "$") {
		return "a variable is not supported"
	}
	for _, w := range d.args[1:] {
		switch strings.ToLower(w.text) {
		case "secure", "nosecure":
			made.Secure = onUnless(strings.EqualFold(w.text, "nosecure"))
		case "httponly", "nohttponly":
			made.HTTPOnly = onUnless(strings.EqualFold(w.text, "nohttponly"))
		case "samesite=strict":
			made.SameSite = "Strict"
		case "samesite=lax":
			made.SameSite = "Lax"
		case "samesite=none":
			made.SameSite = "None"
		case "nosamesite":
			made.SameSite = ir.FlagOff
		default:
			return w.text + " is none of secure, httponly, samesite=strict, samesite=lax, samesite=none, nosecure, nohttponly and nosamesite"
		}
	}
	return r.apply(func(p *ir.Policies) {
		if len(p.CookieFlags) < maxCookieFlags {
			p.CookieFlags = append(slices.Clip(p.CookieFlags), made)
		}
	})
}

func onUnless(off bool) string {
	if off {
		return ir.FlagOff
	}
	return ir.FlagOn
}
