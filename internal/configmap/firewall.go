package configmap

import (
	"errors"
	"strconv"

	"daemun/internal/annotation"
)

// settleFirewall is for routes that have no annotations.
func (p *parsing) settleFirewall() {
	p.Values.Defaults.Firewall = new(annotation.Firewall).Policy(&p.Values.Firewall)
}

func parseRules(s string, v *Values) error {
	const most = 256 << 10
	if len(s) > most {
		return errors.New("is longer than 256 KiB")
	}
	v.Firewall.Snippet = annotation.RulesText(s)
	return nil
}

// guardBoolean reads a boolean of what guards.
func guardBoolean(set func(f *annotation.Firewall, b bool)) func(string, *Values) error {
	return func(s string, v *Values) error {
		b, err := strconv.ParseBool(s)
		if err != nil {
			return errors.New(`is not a boolean: write "true" or "false"`)
		}
		set(&v.Firewall, b)
		return nil
	}
}
