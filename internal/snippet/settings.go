package snippet

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"daemun/internal/expression"
	"daemun/internal/ir"
)

var everybody = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

func readAllow(r *reader, d *directive) string { return r.rule(d, true) }

func readDeny(r *reader, d *directive) string { return r.rule(d, false) }

func (r *reader) rule(d *directive, allow bool) string {
	nets := everybody
	switch s := d.args[0].text; s {
	case "all":
	case "unix:":
		return ""
	default:
		p, err := netip.ParsePrefix(s)
		if err != nil {
			a, err := netip.ParseAddr(s)
			if err != nil {
				return "its argument is none of all, an address and a network such as 10.0.0.0/8"
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		nets = []netip.Prefix{p.Masked()}
	}
	for _, n := range nets {
		r.Access = append(r.Access, ir.AccessRule{Allow: allow, Net: n})
	}
	return ""
}

func readLimitExcept(r *reader, d *directive) string {
	m := &ir.MethodAccess{}
	for _, w := range d.args {
		method := strings.ToUpper(w.text)
		if !fieldName.MatchString(method) {
			return w.text + " is no method"
		}
		m.Except = append(m.Except, method)
		if method == "GET" {
			m.Except = append(m.Except, "HEAD")
		}
	}
	m.Rules = r.inner(d, limitExcept).Access
	if r.MethodAccess != nil {
		return "there is another limit_except"
	}
	r.MethodAccess = m
	return ""
}

func (r *reader) apply(f func(*ir.Policies)) string {
	r.Apply = append(r.Apply, f)
	return ""
}

func readSatisfy(r *reader, d *directive) string {
	s := d.args[0].text
	if s != "any" && s != "all" {
		return "its argument is neither any nor all"
	}
	return r.apply(func(p *ir.Policies) { p.SatisfyAny = s == "any" })
}

func readAuthBasic(r *reader, d *directive) string {
	if d.args[0].text != "off" {
		return "only off is supported: use the annotations auth-type and auth-secret"
	}
	return r.apply(func(p *ir.Policies) { p.BasicAuth = nil })
}

func readAuthRequest(r *reader, d *directive) string {
	if d.args[0].text != "off" {
		return "only off is supported: use the annotation auth-url"
	}
	return r.apply(func(p *ir.Policies) { p.ExternalAuth = nil })
}

func readAccessLog(r *reader, d *directive) string {
	if d.args[0].text != "off" {
		r.problem(d, Lost, "all lines go to where the access log of all goes: use the ConfigMap keys of the access log")
		return ""
	}
	return r.apply(func(p *ir.Policies) { p.AccessLog = false })
}

// bandwidth changes a copy: the one that is there may be that of other routes.
func bandwidth(p *ir.Policies) *ir.Bandwidth {
	made := &ir.Bandwidth{}
	if p.Bandwidth != nil {
		*made = *p.Bandwidth
	}
	return made
}

func readLimitRate(r *reader, d *directive) string {
	n, ok := size(d.args[0].text)
	if !ok {
		return "its argument is no size such as 100k"
	}
	return r.apply(func(p *ir.Policies) {
		b := bandwidth(p)
		if b.Rate = n; n == 0 {
			b = nil
		}
		p.Bandwidth = b
	})
}

func readLimitRateAfter(r *reader, d *directive) string {
	n, ok := size(d.args[0].text)
	if !ok {
		return "its argument is no size such as 100k"
	}
	return r.apply(func(p *ir.Policies) {
		if p.Bandwidth != nil {
			b := bandwidth(p)
			b.After = n
			p.Bandwidth = b
		}
	})
}

func readBodySize(r *reader, d *directive) string {
	n, ok := size(d.args[0].text)
	if !ok {
		return "its argument is no size such as 8m"
	}
	return r.apply(func(p *ir.Policies) { p.MaxBody = n })
}

func (r *reader) timeout(d *directive, set func(p *ir.Policies, t ir.Duration)) string {
	t, ok := duration(d.args[0].text)
	if !ok || t <= 0 {
		return "its argument is no time such as 60s"
	}
	return r.apply(func(p *ir.Policies) { set(p, ir.Duration(t)) })
}

func readConnectTimeout(r *reader, d *directive) string {
	return r.timeout(d, func(p *ir.Policies, t ir.Duration) { p.ConnectTimeout = t })
}

func readSendTimeout(r *reader, d *directive) string {
	return r.timeout(d, func(p *ir.Policies, t ir.Duration) { p.SendTimeout = t })
}

func readReadTimeout(r *reader, d *directive) string {
	return r.timeout(d, func(p *ir.Policies, t ir.Duration) { p.ReadTimeout = t })
}

// namedGroup is a group in a target.
var namedGroup = regexp.MustCompile(`\$[1-9]`)

// replacement reads "from to", or off.
func (r *reader) replacement(d *directive, set func(p *ir.Policies, with *ir.Replacement)) string {
	from := d.args[0].text
	switch {
	case len(d.args) == 1 && from == "off":
		return r.apply(func(p *ir.Policies) { set(p, nil) })
	case len(d.args) == 1:
		return "it has the wrong number of arguments: write from and to, or off"
	case strings.HasPrefix(from, "~"):
		expr, fold := strings.CutPrefix(from[1:], "*")
		if wrong := r.expression(d, expr, expression.Case(fold)); wrong != "" {
			return wrong
		}
		if strings.ContainsAny(namedGroup.ReplaceAllString(d.args[1].text, ""), "$\r\n") {
			return "variables other than the groups of the expression, and line breaks, are not supported"
		}
	case strings.ContainsAny(from+d.args[1].text, "$\r\n"):
		return "a variable or a line break is not supported"
	}
	with := &ir.Replacement{From: from, To: d.args[1].text}
	return r.apply(func(p *ir.Policies) { set(p, with) })
}

func readCookiePath(r *reader, d *directive) string {
	return r.replacement(d, func(p *ir.Policies, with *ir.Replacement) { p.CookiePath = with })
}

func readCookieDomain(r *reader, d *directive) string {
	return r.replacement(d, func(p *ir.Policies, with *ir.Replacement) {
		if with != nil { // as nginx: a first dot means nothing
			with = &ir.Replacement{From: strings.TrimPrefix(with.From, "."), To: strings.TrimPrefix(with.To, ".")}
		}
		p.CookieDomain = with
	})
}

func readProxyRedirect(r *reader, d *directive) string {
	if len(d.args) == 1 && d.args[0].text == "default" {
		return ""
	}
	return r.replacement(d, func(p *ir.Policies, with *ir.Replacement) { p.LocationPrefix = with })
}

// Rules are the address list of a text, or of the ones around it.
func Rules(inner, outer []ir.AccessRule) []ir.AccessRule {
	if len(inner) > 0 {
		return inner
	}
	return slices.Clip(outer)
}
