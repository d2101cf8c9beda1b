package translate

import (
	"fmt"
	"regexp"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"daemun/internal/configmap"
	"daemun/internal/ir"
	"daemun/internal/store"
)

// CodePathCharacters says that a path has characters that its type does not allow.
const CodePathCharacters = "DMN0125"

// plainPath are the paths that strict-validate-path-type of ingress-nginx
// accepts for Exact and Prefix.
var plainPath = regexp.MustCompile(`^/[[:alnum:]._/-]*$`)

// CheckPathTypes says which paths of an Ingress do not fit their type, unless
// strict-validate-path-type of the ConfigMap is off. It is for the webhook only:
// who may write expressions is decided by who may write ImplementationSpecific,
// and what is stored is served.
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
			if p.Path == "" || p.PathType == nil || *p.PathType == networkingv1.PathTypeImplementationSpecific || plainPath.MatchString(p.Path) {
				continue
			}
			problems = append(problems, ir.Problem{
				Code: CodePathCharacters, Severity: ir.SeverityError, Object: refOf(in), Field: pathField(i, j) + ".path",
				Message: fmt.Sprintf("path %.200q has other characters than letters, digits, \".\", \"_\", \"-\" and \"/\", which pathType %s does not allow: use ImplementationSpecific, or set strict-validate-path-type to false in the ConfigMap", p.Path, *p.PathType),
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
