package translate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"daemun/internal/ir"
	"daemun/internal/store"

	networkingv1 "k8s.io/api/networking/v1"
)

// classAnnotation is the old way to choose a class.
const classAnnotation = "kubernetes.io/ingress.class"

// classes are the IngressClasses as far as they matter to the choice.
type classes struct {
	// known holds every name, true for ours.
	known map[string]bool
	// ownDefault: Ingresses without class belong to a class of ours, because
	// it is marked as the default.
	ownDefault bool
}

func classesOf(v *store.View, o *Options) classes {
	c := classes{known: make(map[string]bool, len(v.IngressClasses))}
	var standard *networkingv1.IngressClass
	for _, class := range v.IngressClasses {
		c.known[class.Name] = slices.Contains(o.Controllers, class.Spec.Controller) ||
			o.IngressClassByName && class.Name == o.IngressClass
		if class.Annotations[networkingv1.AnnotationIsDefaultIngressClass] == "true" && newer(class, standard) {
			standard = class
		}
	}
	c.ownDefault = standard != nil && c.known[standard.Name]
	return c
}

// newer orders default classes as the API server does: the youngest, then by
// name.
func newer(a, b *networkingv1.IngressClass) bool {
	if b == nil || b.CreationTimestamp.Before(&a.CreationTimestamp) {
		return true
	}
	return a.CreationTimestamp.Equal(&b.CreationTimestamp) && a.Name < b.Name
}

// ours reports whether an Ingress is of our class (ingress-nginx §7).
func (c *classes) ours(object *networkingv1.Ingress, o *Options) bool {
	if name := object.Spec.IngressClassName; name != nil {
		return c.known[*name]
	}
	if value := object.Annotations[classAnnotation]; value != "" {
		return value == o.IngressClass || c.known[value]
	}
	return o.WithoutClass || c.ownDefault
}

// missing returns the problem of an ingressClassName that names nothing.
func (c *classes) missing(object *networkingv1.Ingress) []ir.Problem {
	name := object.Spec.IngressClassName
	if name == nil {
		return nil
	}
	if _, known := c.known[*name]; known {
		return nil
	}
	return []ir.Problem{{
		Code: CodeNoClass, Severity: ir.SeverityWarning, Object: refOf(object), Field: "spec.ingressClassName",
		Message: fmt.Sprintf("there is no IngressClass %q, so that nobody serves this Ingress; create it or name another one (%s)", *name, c.names()),
	}}
}

// names lists the classes for a message, ours first.
func (c *classes) names() string {
	const most = 5
	var own, others []string
	for _, name := range slices.Sorted(maps.Keys(c.known)) {
		if c.known[name] {
			own = append(own, name)
		} else {
			others = append(others, name)
		}
	}
	all := append(own, others...)
	switch {
	case len(all) == 0:
		return "there is none yet"
	case len(all) > most:
		return fmt.Sprintf("there are %s and %d more", strings.Join(all[:most], ", "), len(all)-most)
	case len(all) == 1:
		return "there is " + all[0]
	}
	return "there are " + strings.Join(all, ", ")
}

func refOf(object *networkingv1.Ingress) ir.Ref {
	return ir.Ref{Kind: "Ingress", Namespace: object.Namespace, Name: object.Name}
}
