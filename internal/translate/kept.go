package translate

import (
	"slices"
	"strings"

	"daemun/internal/annotation"
	"daemun/internal/ir"
	"daemun/internal/store"

	networkingv1 "k8s.io/api/networking/v1"
)

func (t *Translator) parse(in *ingress, annotations map[string]string) annotation.Result {
	defaults := t.settings.values.Defaults.With(t.options.Beyond, t.variablesFor(annotations))
	return annotation.ParseOver(defaults, t.options.AnnotationsPrefix, in.ref, annotations)
}

// lastGood is the version of an Ingress that stays in service in place of one
// that its annotations keep from being loaded (ingress-nginx §0), nil if there is
// none. It has to pass the gate as it is now: a level of risk that was lowered
// holds for it, too.
func (t *Translator) lastGood(object *networkingv1.Ingress, prev *ingress, problems []ir.Problem) *networkingv1.Ingress {
	if prev == nil || prev.used == nil || prev.used == object || prev.used.UID != object.UID || len(t.gate(prev.used)) > 0 {
		return nil
	}
	if slices.ContainsFunc(problems, func(p ir.Problem) bool { return p.Code == CodeCatchAllOff }) {
		return nil // ingress-nginx drops that one
	}
	return prev.used
}

// realmIsNotRead reports whether a bad auth-realm does not count, because the
// Secret, which is read before it, cannot be used and closes the routes
// (ingress-nginx §1.4).
func (t *Translator) realmIsNotRead(v *store.View, in *ingress, parsed *annotation.Result) bool {
	values := parsed.Values
	trial := compilation{ingress: &ingress{name: in.name, ref: in.ref, values: &values, used: in.seen}, t: t, v: v}
	trial.compileBasicAuth()
	in.secrets = append(in.secrets, trial.secrets...) // which decide whether this version is loaded
	if values.BasicAuth != nil {
		return false
	}
	realm := annotation.Field(t.options.AnnotationsPrefix + "/auth-realm")
	for i := range in.problems {
		if p := &in.problems[i]; p.Code == annotation.CodeRejected && p.Field == realm {
			p.Severity = ir.SeverityWarning
			p.Message = strings.TrimSuffix(p.Message, annotation.NotLoaded) + "; once its Secret can be used, the Ingress is not loaded because of it"
		}
	}
	return true
}
