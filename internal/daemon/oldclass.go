package daemon

import (
	"fmt"
	"slices"

	"daemun/internal/fix"
	"daemun/internal/ir"
	"daemun/internal/store"
)

// OldClasses are notices of the Ingresses that choose their class by the
// deprecated annotation where the field would do.
func (in *Inspection) OldClasses() []ir.Problem {
	var list []ir.Problem
	for name, ingress := range in.view.Ingresses {
		class := ingress.Annotations[fix.ClassAnnotation]
		if class == "" || ingress.Spec.IngressClassName != nil || in.view.IngressClasses[store.Name{Name: class}] == nil {
			continue
		}
		list = append(list, Located(ir.Problem{
			Code: fix.CodeOldClass, Severity: ir.SeverityNotice, Field: "metadata.annotations[" + fix.ClassAnnotation + "]",
			Object:  ir.Ref{Kind: "Ingress", Namespace: name.Namespace, Name: name.Name},
			Message: fmt.Sprintf("is the deprecated way to choose a class: write spec.ingressClassName: %s", class),
		}, in.loader.Locate))
	}
	slices.SortFunc(list, ir.Problem.Compare)
	return list
}
