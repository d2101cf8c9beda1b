package translate

import (
	"daemun/internal/annotation"
	"daemun/internal/configmap"
	"daemun/internal/ir"
)

const (
	// CodeNoFirewall says that a firewall is asked for that this build does not have.
	CodeNoFirewall = "DMN0361"
	// CodeRules says that rules of the firewall cannot be used.
	CodeRules = "DMN0362"
)

const noFirewall = "this Daemun was built without the firewall (build it with the tag waf, or take the image)"

// checkRules says what is wrong with rules.
func (o *Options) checkRules(rules string) (code, wrong string) {
	if o.CheckRules == nil {
		return CodeNoFirewall, noFirewall
	}
	if err := o.CheckRules(rules); err != nil {
		return CodeRules, err.Error()
	}
	return "", ""
}

// settleFirewall looks at the rules for all hosts. What guards fails closed.
func (s *settings) settleFirewall(o *Options, object ir.Ref) {
	f := s.values.Defaults.Firewall
	if f == nil {
		return
	}
	code, wrong := o.checkRules(f.Rules)
	if code == "" {
		return
	}
	key := "enable-modsecurity"
	if code == CodeRules && s.values.Firewall.Snippet != "" {
		key = "modsecurity-snippet"
	}
	s.values.Denied = true
	s.problems = append(s.problems, ir.Problem{
		Code: code, Severity: ir.SeverityError, Object: object, Field: configmap.Field(key),
		Message: wrong + "; because it guards access, all routes of all Ingresses answer 503",
	})
}

// compileFirewall joins what the Ingress says about the firewall with the
// settings.
func (c *compilation) compileFirewall() {
	global, own := &c.t.settings.values.Firewall, &c.values.Draft.WAF
	c.values.Policies.Firewall = own.Policy(global)
	if !own.Written && own.CoreRules && !global.On {
		c.report(annotation.CodeNoEffect, ir.SeverityWarning, c.firewallField("enable-owasp-core-rules"), "only has an effect together with enable-modsecurity")
	}
	f := c.values.Policies.Firewall
	if f != nil && own.Snippet != "" && !c.t.settings.values.AllowSnippets {
		c.denied = 503
		c.report(CodeSnippetsOff, ir.SeverityError, c.firewallField("modsecurity-snippet"),
			"allow-snippet-annotations of the ConfigMap is not true, so that Ingresses may not bring rules; all routes of the Ingress answer 503: remove the annotation, or allow it")
		return
	}
	if f == nil || own.Snippet == "" && !own.Written && global.On && c.t.settings.values.Denied {
		return
	}
	code, wrong := c.t.options.checkRules(f.Rules)
	if code == "" {
		return
	}
	name := "enable-modsecurity"
	if code == CodeRules && own.Snippet != "" {
		// Lines are counted in the snippet itself.
		name = "modsecurity-snippet"
		if err := c.t.options.CheckRules(own.Snippet); err != nil {
			wrong = err.Error()
		}
	}
	c.denied = 503
	c.report(code, ir.SeverityError, c.firewallField(name), "%s; all routes of the Ingress answer 503", wrong)
}

func (c *compilation) firewallField(name string) string {
	return annotation.Field(c.t.options.AnnotationsPrefix + "/" + name)
}
