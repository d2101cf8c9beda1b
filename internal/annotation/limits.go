package annotation

import (
	"errors"
	"math"

	"daemun/internal/ir"
)

// count reads a number; what is not positive means "off".
func count(set func(v *Values, n int)) func(string, *Values) error {
	return func(s string, v *Values) error {
		n, err := integer(s)
		if err != nil {
			return errors.New(`is not an integer: write digits only, such as "5"; 0 is no limit`)
		}
		if n > math.MaxInt32 {
			return errors.New("is too large; 0 is no limit")
		}
		set(v, max(n, 0))
		return nil
	}
}

func parseBurst(s string, v *Values) error {
	n, err := integer(s)
	if err != nil {
		return errors.New(`is not an integer: write digits only, such as "5"`)
	}
	if n < 0 || n > 1000 {
		return errors.New("is out of range: write a number from 0 to 1000")
	}
	v.limits.Burst = n
	return nil
}

// settleLimits makes the policies, unless they limit nothing.
func (p *parsing) settleLimits() {
	v := &p.Values
	switch l := &v.limits; {
	case l.PerSecond > 0, l.PerMinute > 0, l.Connections > 0:
		l.ID = p.object.Namespace + "/" + p.object.Name
		v.Limits = new(*l)
	case len(l.Exempt) > 0:
		p.report(CodeNoEffect, ir.SeverityWarning, p.prefix+"limit-allowlist", "only has an effect together with limit-rps, limit-rpm or limit-connections")
	}
	if v.limitRate > 0 {
		v.Bandwidth = &ir.Bandwidth{Rate: int64(v.limitRate) << 10, After: int64(v.limitRateAfter) << 10}
	}
}
