package translate

import (
	"fmt"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"daemun/internal/configmap"
	"daemun/internal/ir"
	"daemun/internal/store"
)

// CodePathCharacters says that a path has characters that its type does not allow.
const CodePathCharacters = "DMN0125"

// fitsPathType says whether strict-validate-path-type of ingress-nginx accepts
// a path with its type: expressions are for ImplementationSpecific.
func fitsPathType(text string, kind networkingv1.PathType) bool {
	if text == "" || kind == networkingv1.PathTypeImplementationSpecific {
		return true
	}
	return text[0] == '/' && !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-' && r != '/'
	})
}

const badPathCharacters = "path %.200q has other characters than letters, digits, \".\", \"_\", \"-\" and \"/\", which pathType %s does not allow: use ImplementationSpecific, or set strict-validate-path-type to false in the ConfigMap"

// CheckPathTypes says which paths of an Ingress do not fit their type, unless
// strict-validate-path-type of the ConfigMap is off. It is for the webhook, which
// refuses them: who may write expressions is decided by who may write
// ImplementationSpecific. What is stored is served, with a warning.
func CheckPathTypes(v *store.View, o Options, in *networkingv1.Ingress) (problems []ir.Problem) {
	if !strictPathTypes(v, o) {
		return nil
	}
	for i := range in.Spec.Rules {
		rule := &in.Spec.Rules[i]
		if rule.HTTP == nil {
			continue
		}
		for j := range rule.HTTP.Paths {
			p := &rule.HTTP.Paths[j]
			if p.PathType == nil || fitsPathType(p.Path, *p.PathType) {
				continue
			}
			problems = append(problems, ir.Problem{
				Code: CodePathCharacters, Severity: ir.SeverityError, Object: refOf(in), Field: pathField(i, j) + ".path",
				Message: fmt.Sprintf(badPathCharacters, p.Path, *p.PathType),
			})
		}
	}
	return problems
}

func strictPathTypes(v *store.View, o Options) bool {
	namespace, name, _ := strings.Cut(o.ConfigMap, "/")
	if object := v.ConfigMaps[store.Name{Namespace: namespace, Name: name}]; object != nil {
		return configmap.Parse(ir.Ref{}, object.Data).Values.StrictPathType
	}
	return configmap.Default().StrictPathType
}
