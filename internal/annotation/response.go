package annotation

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"daemun/internal/expression"
	"daemun/internal/ir"
)

var (
	domainChars   = regexp.MustCompile(`^[-._~a-zA-Z0-9/]+$`)
	objectName    = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`)
	bareName      = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`)
	locationChars = regexp.MustCompile(`^[-._~a-zA-Z0-9/:?&=,]+$`)
)

// targetChars are those of a text that may name groups of an expression.
var targetChars = regexp.MustCompile(`^([-._~a-zA-Z0-9/:?&=,]|\$[1-9])+$`)

// replacingExpression checks "~expression" or "~*expression".
func replacingExpression(s string) error {
	expr := strings.TrimPrefix(strings.TrimPrefix(s, "~"), "*")
	if _, err := expression.Compile(expr, expression.Exact, nil); err != nil {
		return fmt.Errorf("holds an expression that cannot be used: %w", err)
	}
	return nil
}

// pair reads "from to", or "off".
func pair(chars *regexp.Regexp, want string, set func(v *Values, r *ir.Replacement)) func(string, *Values) error {
	return func(s string, v *Values) error {
		words := strings.Fields(s)
		switch {
		case len(s) > maxValue:
			return errors.New("is too long")
		case len(words) == 1 && words[0] == "off":
			set(v, nil)
			return nil
		case len(words) != 2:
			return errors.New("is not two words: write " + want + `, or "off"`)
		case strings.HasPrefix(words[0], "~"):
			if err := replacingExpression(words[0]); err != nil {
				return err
			}
			if !targetChars.MatchString(words[1]) {
				return errors.New("is not of the form " + want)
			}
		case !chars.MatchString(words[0]) || !chars.MatchString(words[1]):
			return errors.New("is not of the form " + want)
		}
		set(v, &ir.Replacement{From: words[0], To: words[1]})
		return nil
	}
}

func setCookieDomain(v *Values, r *ir.Replacement) {
	if r != nil { // as nginx: a first dot means nothing
		r = &ir.Replacement{From: strings.TrimPrefix(r.From, "."), To: strings.TrimPrefix(r.To, ".")}
	}
	v.CookieDomain = r
}

// locationPart reads one of the two sides of proxy-redirect.
func locationPart(set func(v *Values, s string)) func(string, *Values) error {
	return func(s string, v *Values) error {
		s = strings.TrimSpace(s)
		switch {
		case strings.HasPrefix(s, "~"):
			if err := replacingExpression(s); err != nil {
				return err
			}
		case len(s) > maxValue || !targetChars.MatchString(s):
			return errors.New("is not a URL or the beginning of one: it may hold letters, digits and -._~/:?,&= only")
		}
		set(v, s)
		return nil
	}
}

// settleLocation makes one policy of proxy-redirect-from and -to. "default"
// maps the name that nginx has for its backends, which no backend sends.
func (p *parsing) settleLocation() {
	v := &p.Values
	switch {
	case v.redirectFrom == "off" || v.redirectFrom == "default":
		if v.redirectTo != "off" {
			p.report(CodeNoEffect, ir.SeverityWarning, p.prefix+"proxy-redirect-to",
				"only has an effect together with proxy-redirect-from, which says what is replaced")
		}
	case strings.Contains(v.redirectTo, "$") && !strings.HasPrefix(v.redirectFrom, "~"):
		p.report(CodeDefault, ir.SeverityWarning, p.prefix+"proxy-redirect-to",
			fmt.Sprintf("value %s names a group, and proxy-redirect-from is no expression (~) that has groups; both are ignored", quote(v.redirectTo)))
	case v.redirectTo != "off":
		v.LocationPrefix = &ir.Replacement{From: v.redirectFrom, To: v.redirectTo}
	}
}

func parseConnection(s string, v *Values) error {
	switch s = strings.TrimSpace(s); s {
	case "close", "keep-alive":
		v.ConnectionField = s
		return nil
	}
	return errors.New("is neither close nor keep-alive")
}

// reference reads "namespace/name".
func reference(kind string, set func(v *Values, s string)) func(string, *Values) error {
	return func(s string, v *Values) error {
		if s = strings.TrimSpace(s); len(s) > 512 || !objectName.MatchString(s) && !bareName.MatchString(s) {
			return errors.New("is no name of a " + kind + ": write namespace/name")
		}
		set(v, s)
		return nil
	}
}
