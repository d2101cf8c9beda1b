package snippet

import (
	"math"
	"strconv"

	"daemun/internal/ir"
)

func readHTTPVersion(r *reader, d *directive) string {
	version := d.args[0].text
	if version != "1.0" && version != "1.1" {
		return "its argument is neither 1.0 nor 1.1 (HTTP/2 comes with the annotation backend-protocol)"
	}
	return r.apply(func(p *ir.Policies) { p.HTTP10 = version == "1.0" })
}

func readNextUpstream(r *reader, d *directive) string {
	var on ir.RetryOn
	off := false
	for _, w := range d.args {
		bit, ok := ir.RetryWord(w.text)
		if !ok {
			return w.text + " is no condition such as error, timeout or http_502"
		}
		on, off = on|bit, off || w.text == "off"
	}
	if off {
		on = 0
	}
	return r.apply(func(p *ir.Policies) { p.Retry.On = on })
}

func readNextTries(r *reader, d *directive) string {
	n, err := strconv.Atoi(d.args[0].text)
	if err != nil || n < 0 || n > math.MaxInt32 {
		return "its argument is no number of attempts"
	}
	return r.apply(func(p *ir.Policies) { p.Retry.Tries = n })
}

func readNextTimeout(r *reader, d *directive) string {
	t, ok := duration(d.args[0].text)
	if !ok || t < 0 {
		return "its argument is no time such as 10s"
	}
	return r.apply(func(p *ir.Policies) { p.Retry.Timeout = ir.Duration(t) })
}

func readIntercept(r *reader, d *directive) string { return onOff(d, &r.Intercept) }

func readRecursivePages(r *reader, d *directive) string { return onOff(d, &r.RecursivePages) }

// ApplyPages gives a route what levels of texts, the outermost first, say of
// error pages.
func ApplyPages(p *ir.Policies, levels ...[]*Block) {
	for _, level := range levels {
		for _, b := range level {
			if b.RecursivePages != nil {
				p.RecursivePages = *b.RecursivePages
			}
			if b.Intercept == nil {
				continue
			}
			p.Intercept = *b.Intercept
			if p.Errors != nil { // a copy: it may be that of other routes
				e := *p.Errors
				e.OwnOnly = !p.Intercept
				p.Errors = &e
			}
		}
	}
}

func readInternal(r *reader, _ *directive) string {
	return r.apply(func(p *ir.Policies) { p.Internal = true })
}
