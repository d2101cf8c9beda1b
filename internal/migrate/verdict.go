package migrate

import (
	"slices"
	"strings"

	"daemun/internal/annotation"
	"daemun/internal/ir"
	"daemun/internal/translate"
)

// failOpen are annotations with whose bad values ingress-nginx leaves the whole
// of external authentication out.
var failOpen = []string{"auth-request-redirect", "auth-cache-duration", "auth-always-set-cookie"}

// verdictOf says whether ingress-nginx has a problem with an annotation, too,
// and what is to be added to its message.
func verdictOf(name string, p ir.Problem) (v Verdict, more string) {
	switch p.Code {
	case annotation.CodeLater, annotation.CodeLaterGuard, translate.CodeNoFirewall, translate.CodeRules:
		return Unsupported, ""
	case translate.CodePassthroughOff:
		return Unsupported, "; ingress-nginx without the flag ends TLS itself"
	case translate.CodeSnippetsOff:
		return Changed, "; ingress-nginx leaves the snippet out"
	case translate.CodeFallback:
		if name == "custom-http-errors" {
			return Changed, "; ingress-nginx then answers 404"
		}
	case translate.CodeRisk, annotation.CodeRejected:
		return Kept, ", as with ingress-nginx"
	case annotation.CodeUsers:
		if strings.Contains(p.Message, "DES") {
			return Changed, ""
		}
	case annotation.CodeReference:
		if name == "auth-tls-secret" && strings.Contains(p.Message, "no key \"ca.crt\"") {
			return Changed, "; ingress-nginx then asks for no certificate"
		}
	case annotation.CodeDenied:
		switch {
		case strings.Contains(p.Message, "not supported yet"):
			return Unsupported, ""
		case slices.Contains(failOpen, name):
			return Changed, "; ingress-nginx then asks nobody"
		}
		return Kept, ", as with ingress-nginx"
	}
	return Kept, ""
}
