package annotation

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"daemun/internal/ir"
	"daemun/internal/variable"
)

// maxRules bounds the text of rules.
const maxRules = 256 << 10

// The sets of rules that Daemun brings along, as rules include them.
const (
	IncludeRecommended = "Include @coraza.conf-recommended"
	IncludeCoreRules   = "Include @crs-setup.conf.example\nInclude @owasp_crs/*.conf"
)

// Firewall is what annotations or settings say about the firewall.
type Firewall struct {
	// On is the firewall, Written that anything is said about it.
	On, Written bool
	// CoreRules adds the rules of OWASP.
	CoreRules bool
	// Snippet are rules in place of the recommended settings.
	Snippet string
	// TransactionID is a text with variables.
	TransactionID string
}

// Policy joins the settings of all hosts with those of an Ingress as
// ingress-nginx does: rules of the settings come first, and each set is there
// once. It is nil when the firewall is off.
func (f *Firewall) Policy(global *Firewall) *ir.Firewall {
	if !global.On && !f.On || f.Written && !f.On {
		return nil
	}
	var rules []string
	if global.On {
		rules = append(rules, global.base())
	}
	if global.CoreRules {
		rules = append(rules, IncludeCoreRules)
	}
	switch {
	case f.Snippet != "":
		rules = append(rules, f.Snippet)
	case !global.On:
		rules = append(rules, IncludeRecommended)
	}
	if f.CoreRules && !global.CoreRules {
		rules = append(rules, IncludeCoreRules)
	}
	return &ir.Firewall{Rules: strings.Join(rules, "\n"), TransactionID: f.TransactionID}
}

func (f *Firewall) base() string {
	if f.Snippet != "" {
		return f.Snippet
	}
	return IncludeRecommended
}

func parseFirewall(s string, v *Values) error {
	on, err := strconv.ParseBool(s)
	if err != nil {
		// Whoever asks for a guard in a way that is not understood has it not.
		return &valueError{msg: `is not a boolean: write "true" or "false", without blanks`, outcome: Deny}
	}
	v.WAF.On, v.WAF.Written = on, true
	return nil
}

func parseTransactionID(s string, v *Values) error {
	s = strings.TrimSpace(s)
	if len(s) > maxValue || strings.ContainsAny(s, "\r\n\x00") {
		return errors.New("is no text of one line")
	}
	if _, err := variable.Parse(s); err != nil {
		return fmt.Errorf("cannot be used: %w", err)
	}
	v.WAF.TransactionID = s
	return nil
}

func parseRules(s string, v *Values) error {
	if len(s) > maxRules {
		return &valueError{msg: fmt.Sprintf("is longer than %d bytes", maxRules), outcome: Deny}
	}
	v.WAF.Snippet = RulesText(s)
	return nil
}

// RulesText returns rules as they are written in ModSecurity's language.
// ingress-nginx puts them between single quotes into nginx.conf, so that texts
// for it have a backslash before each single quote, and may have one before
// double quotes and backslashes; t, r and n after one are controls. A text with a
// single quote that has none could not stand there, and is taken as it is.
func RulesText(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\'' {
			return s
		}
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case '"', '\'', '\\':
			b.WriteByte(s[i])
		case 't':
			b.WriteByte('\t')
		case 'r':
			b.WriteByte('\r')
		case 'n':
			b.WriteByte('\n')
		default:
			b.WriteByte('\\')
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
