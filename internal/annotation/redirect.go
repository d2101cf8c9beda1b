package annotation

import (
	"fmt"
	"strings"

	"daemun/internal/ir"
)

// settleRedirect makes one redirect of the group: temporal beats permanent,
// and a temporal one with another scheme than http(s) takes the whole group
// with it (ingress-nginx §1.1, outcome S).
func (p *parsing) settleRedirect() {
	v := &p.Values
	if v.temporal != "" && !strings.HasPrefix(v.temporal, "http://") && !strings.HasPrefix(v.temporal, "https://") {
		p.report(CodeNoEffect, ir.SeverityWarning, p.prefix+"temporal-redirect",
			fmt.Sprintf("value %s is no http or https URL; this and the other redirect annotations of the Ingress are ignored", quote(v.temporal)))
		v.temporal, v.permanent, v.FromToWWW = "", "", false
	}
	switch {
	case v.temporal != "":
		v.Redirect = &ir.Redirect{Code: v.temporalCode, Location: v.temporal}
		if v.permanent != "" {
			p.report(CodeNoEffect, ir.SeverityWarning, p.prefix+"permanent-redirect", "temporal-redirect is set too and wins; remove one of them")
		}
	case v.permanent != "":
		v.Redirect = &ir.Redirect{Code: v.permanentCode, Location: v.permanent}
	}
	if v.ForwardedPrefix != "" && v.RewriteTarget == "" {
		p.report(CodeNoEffect, ir.SeverityWarning, p.prefix+"x-forwarded-prefix", "only has an effect together with rewrite-target")
	}
}
