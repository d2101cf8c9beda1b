package configmap

import (
	"errors"
	"strings"

	"daemun/internal/annotation"
)

// Ceilings bound what the Ingresses of one namespace may ask for together
// (H10.9); 0 is no bound.
type Ceilings struct {
	Routes, Hosts, Certificates, Bytes int
}

// On reports whether there is a bound.
func (c Ceilings) On() bool { return c != Ceilings{} }

// everyNamespace stands for those that have no level of their own.
const everyNamespace = "*"

// parseNamespaceRisks reads the highest risk of annotations by namespace
// (H9.4).
func parseNamespaceRisks(s string, v *Values) error {
	levels := map[string]annotation.Risk{}
	for word := range strings.SplitSeq(s, ",") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		name, text, ok := strings.Cut(word, "=")
		name = strings.TrimSpace(name)
		level, known := riskOf(strings.TrimSpace(text))
		if !ok || !known || name != everyNamespace && !namespaceName.MatchString(name) {
			return errors.New(`is no list of levels: write namespace=level with commas between them, such as "shop=Medium,*=Low"; levels are Low, Medium, High and Critical`)
		}
		levels[name] = level
	}
	v.NamespaceRisks = levels
	return nil
}

// RiskIn is the highest risk of an annotation that is loaded in a namespace.
func (v *Values) RiskIn(namespace string) (level annotation.Risk, key string) {
	for _, name := range []string{namespace, everyNamespace} {
		if own, ok := v.NamespaceRisks[name]; ok && own < v.MaxRisk {
			return own, "namespace-risk-levels"
		} else if ok {
			break
		}
	}
	return v.MaxRisk, "annotations-risk-level"
}
