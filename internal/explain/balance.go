package explain

import (
	"fmt"
	"strings"

	"daemun/internal/ir"
)

// balancePolicies are the settings of the backend of the route, which any
// Ingress that names the backend may have made, and its canary.
func (e *explanation) balancePolicies() []Policy {
	var list []Policy
	add := func(owner ir.Ref, name, value string) {
		p := Policy{Name: name, Value: value, Source: "annotation"}
		if key := e.spelling(owner, name); key != "" {
			p.Place = e.annotationPlace(owner, key)
		}
		list = append(list, p)
	}
	r := e.route.IR
	if c := r.Canary; c != nil {
		add(c.Ingress, "canary", fmt.Sprintf("%s: %s", c.Backend, canaryRules(c)))
	}
	if strings.Contains(string(r.Backend), " tls ") {
		add(r.Ingress, "proxy-ssl-secret", e.written(r.Ingress, "proxy-ssl-secret"))
	}
	if e.route.Backend == nil {
		return list
	}
	if most := e.route.Backend.MaxRequests(); most > 0 {
		add(r.Ingress, "max-requests-in-flight", fmt.Sprint(most))
	}
	switch b := e.route.Backend.Balance(); {
	case b == nil:
	case b.Affinity != nil:
		mode := "balanced"
		if b.Affinity.Persistent {
			mode = "persistent"
		}
		add(r.Ingress, "affinity", fmt.Sprintf("%s, cookie %s", mode, b.Affinity.Name))
	case b.HashBy != nil:
		add(r.Ingress, "upstream-hash-by", b.HashBy.String())
	case b.EWMA:
		add(r.Ingress, "load-balance", "ewma")
	}
	return list
}

// canaryRules says what brings a request to the canary, in the order in which
// it counts.
func canaryRules(c *ir.Canary) string {
	var rules []string
	switch {
	case c.Header == "":
	case c.HeaderValue != "":
		rules = append(rules, fmt.Sprintf("field %s: %s", c.Header, c.HeaderValue))
	case c.HeaderPattern != "":
		rules = append(rules, fmt.Sprintf("field %s matches %s", c.Header, c.HeaderPattern))
	default:
		rules = append(rules, fmt.Sprintf("field %s: always", c.Header))
	}
	if c.Cookie != "" {
		rules = append(rules, fmt.Sprintf("cookie %s=always", c.Cookie))
	}
	return strings.Join(append(rules, fmt.Sprintf("%d of %d others", c.Weight, c.Total)), ", ")
}
