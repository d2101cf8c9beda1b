package translate

import (
	"slices"

	"daemun/internal/annotation"
	"daemun/internal/ir"
)

// The problem codes of this package.
const (
	// CodeNoClass: ingressClassName names no IngressClass.
	CodeNoClass = "DMN0201"
	// CodeHost: a host is no DNS name.
	CodeHost = "DMN0202"
	// CodePath: a path is no URI path.
	CodePath = "DMN0203"
	// CodePathType: a path type is none of the three.
	CodePathType = "DMN0204"
	// CodeDuplicate: an older Ingress has the same host, path and type.
	CodeDuplicate = "DMN0205"
	// CodeResource: resource backends are not served.
	CodeResource = "DMN0206"
	// CodeNoService: a Service does not exist.
	CodeNoService = "DMN0207"
	// CodeNoPort: a Service has no such port.
	CodeNoPort = "DMN0208"
	// CodeExpression: a path cannot be used as a regular expression.
	CodeExpression = "DMN0209"
	// CodeTooMany: a host has too many regular expressions.
	CodeTooMany = "DMN0210"
	// CodeLiteral: a path looks like an expression but is compared literally.
	CodeLiteral = "DMN0211"
	// CodeExternalName: the external name of a Service is not acceptable.
	CodeExternalName = "DMN0212"
	// CodeFallback: the Service of default-backend cannot be used.
	CodeFallback = "DMN0213"
	// CodeDefaultBackend: --default-backend-service cannot be used.
	CodeDefaultBackend = "DMN0214"
	// CodeCatchAll: another Ingress already is the catch-all.
	CodeCatchAll = "DMN0215"
	// CodeHostSetting: an older Ingress decides a setting of the host.
	CodeHostSetting = "DMN0216"
	// CodeAlias: a server-alias cannot be used.
	CodeAlias = "DMN0217"
	// CodeWWW: a from-to-www-redirect cannot be made.
	CodeWWW = "DMN0218"
	// CodeKept: the last good version of an Ingress stays in service.
	CodeKept = "DMN0219"
	// CodeEmpty: an Ingress has neither rules nor a default backend.
	CodeEmpty = "DMN0220"
	// CodeCatchAllOff: --disable-catch-all forbids default backends.
	CodeCatchAllOff = "DMN0291"
	// CodeExternalNameOff: --disable-svc-external-name forbids external names.
	CodeExternalNameOff = "DMN0292"
	// CodeConfigMap: the ConfigMap of --configmap cannot be used.
	CodeConfigMap = "DMN0293"
	// CodeSettingFields: a ConfigMap that add-headers or proxy-set-headers
	// names cannot be used.
	CodeSettingFields = "DMN0330"
	// CodeSnippetsOff: a snippet that allow-snippet-annotations forbids.
	CodeSnippetsOff = "DMN0331"
	// CodeSnippet: a snippet cannot be used, so that its routes answer 503.
	CodeSnippet = "DMN0332"
	// CodeSnippetIgnored: the same, but --ignore-unsupported-snippets.
	CodeSnippetIgnored = "DMN0333"
	// CodeSnippetNoEffect: a directive changes nothing here.
	CodeSnippetNoEffect = "DMN0334"
	// CodeCostly: an expression needs the engine with back-tracking.
	CodeCostly = annotation.CodeCostly
	// CodePrefix: an annotation has the prefix that --annotations-prefix
	// replaces.
	CodePrefix = "DMN0389"
	// CodeRisk: annotations-risk-level forbids an annotation.
	CodeRisk = "DMN0390"
	// CodeBlocked: annotation-value-word-blocklist forbids a value.
	CodeBlocked = "DMN0391"

	// CodeForeignHost: a host belongs to another namespace.
	CodeForeignHost = "DMN0803"
	// CodeCeiling: a namespace has as much as it may.
	CodeCeiling = "DMN0804"
	// CodeForeignCanary: a canary of another namespace.
	CodeForeignCanary = "DMN0805"

	// CodeCanary: a canary has no main Ingress, or cannot be one of it.
	CodeCanary = "DMN0231"

	// CodeDecided: another Ingress decides a setting of the host.
	CodeDecided = "DMN0780"
	// CodeShared: another Ingress decides a setting of a backend.
	CodeShared = "DMN0781"
	// CodeCookiePath: the Path of an affinity cookie is an expression.
	CodeCookiePath = "DMN0782"

	// CodeNoSecret: a TLS Secret does not exist.
	CodeNoSecret = "DMN0401"
	// CodeSecretKeys: a TLS Secret lacks tls.crt or tls.key.
	CodeSecretKeys = "DMN0402"
	// CodeCertificate: a certificate or key cannot be read.
	CodeCertificate = "DMN0403"
	// CodeKeyPair: certificate and key do not belong together.
	CodeKeyPair = "DMN0404"
	// CodeNotCovered: a certificate does not cover the host.
	CodeNotCovered = "DMN0405"
	// CodeDefaultCertificate: --default-ssl-certificate cannot be used.
	CodeDefaultCertificate = "DMN0406"
)

// mergeProblems adds the problems of the Ingresses, which are sorted already,
// to all others. Sorting everything would be most of the cost of a translation
// when there are many. When nothing is different it returns the last list.
func (t *Translator) mergeProblems(others []ir.Problem) []ir.Problem {
	slices.SortFunc(others, ir.Problem.Compare)
	if !t.problemsMoved && slices.Equal(others, t.others) {
		return t.merged
	}
	t.others, t.problemsMoved = slices.Clone(others), false
	total := len(others)
	for _, in := range t.reporting {
		total += len(in.problems)
	}
	if total == 0 {
		t.merged = nil
		return nil
	}
	merged := make([]ir.Problem, 0, total)
	for _, in := range t.reporting {
		for i := range in.problems {
			p := &in.problems[i]
			for len(others) > 0 && others[0].Compare(*p) < 0 {
				merged = append(merged, others[0])
				others = others[1:]
			}
			merged = append(merged, *p)
		}
	}
	t.merged = append(merged, others...)
	return t.merged
}
