package manifest

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"daemun/internal/nearest"
	"daemun/internal/store"
)

// checker collects what is wrong with one object.
type checker struct {
	root            *yaml.Node
	faults, notices []fault
	// decoded says that the object has its full content.
	decoded bool
	// old says that the object is in an old API form.
	old bool
}

func (c *checker) fault(field, code, format string, args ...any) {
	c.faults = append(c.faults, fault{find(c.root, field), code, field, fmt.Sprintf(format, args...)})
}

func (c *checker) notice(field, code, format string, args ...any) {
	c.notices = append(c.notices, fault{find(c.root, field), code, field, fmt.Sprintf(format, args...)})
}

func (c *checker) invalid(field, format string, args ...any) {
	c.fault(field, CodeInvalidValue, format, args...)
}

func (c *checker) missing(field, format string, args ...any) {
	c.fault(field, CodeMissingField, format, args...)
}

// sub and at build field paths.
func sub(path, name string) string       { return path + "." + name }
func at(path, list string, i int) string { return path + "." + list + "[" + strconv.Itoa(i) + "]" }

func groupVersionKind(k kind) schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(k.version, k.name)
}

// meta checks and completes the metadata of any object.
func (c *checker) meta(k kind, o store.Object) {
	const field = "metadata"
	if o.GetName() == "" {
		if o.GetGenerateName() != "" {
			c.missing("metadata.name", "is missing: generateName works only with an API server, write a name")
			return
		}
		c.missing("metadata.name", "is missing: every object needs a name")
		return
	}
	switch {
	case k.clusterWide && o.GetNamespace() != "":
		c.notice("metadata.namespace", CodeClusterWide, "a %s belongs to no namespace: %s is ignored, remove it", k.name, o.GetNamespace())
		o.SetNamespace("")
	case !k.clusterWide && o.GetNamespace() == "":
		o.SetNamespace(metav1.NamespaceDefault)
	case !k.clusterWide:
		c.valid("metadata.namespace", o.GetNamespace(), validation.IsDNS1123Label)
	}
	if k.name == "Service" || k.name == "Namespace" {
		c.valid("metadata.name", o.GetName(), validation.IsDNS1123Label)
	} else {
		c.valid("metadata.name", o.GetName(), validation.IsDNS1123Subdomain)
	}
	c.labels(field+".labels", o.GetLabels())
	for name := range o.GetAnnotations() {
		c.valid(field+".annotations["+name+"]", strings.ToLower(name), validation.IsQualifiedName)
	}
}

// valid applies one of Kubernetes' syntax rules.
func (c *checker) valid(field, value string, rule func(string) []string) bool {
	wrong := rule(value)
	if len(wrong) > 0 {
		c.invalid(field, "%q is not allowed: %s", value, strings.Join(wrong, "; "))
	}
	return len(wrong) == 0
}

func (c *checker) labels(field string, labels map[string]string) {
	for name, value := range labels {
		f := field + "[" + name + "]"
		if c.valid(f, name, validation.IsQualifiedName) {
			c.valid(f, value, validation.IsValidLabelValue)
		}
	}
}

// oneOf checks an enumeration; the empty value is allowed where a default
// exists, and was filled in before.
func oneOf[T ~string](c *checker, field string, value T, allowed ...T) {
	if slices.Contains(allowed, value) {
		return
	}
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	if value == "" {
		c.missing(field, "is missing: write %s", strings.Join(names, ", "))
		return
	}
	hint := ""
	if best := nearest.Name(string(value), names); best != "" {
		hint = fmt.Sprintf("did you mean %s? ", best)
	}
	c.invalid(field, "%q is not allowed: %swrite one of %s", value, hint, strings.Join(names, ", "))
}

func (c *checker) port(field string, port int32) {
	c.between(field, "a port", port, 1, 65535)
}

func (c *checker) between(field, what string, value, low, high int32) {
	if value >= low && value <= high {
		return
	}
	if value == 0 && find(c.root, field) == find(c.root, parentOf(field)) {
		c.missing(field, "is missing: write %s from %d to %d", what, low, high)
		return
	}
	c.invalid(field, "%d is not allowed: %s is a number from %d to %d", value, what, low, high)
}

func (c *checker) portRef(field string, port intstr.IntOrString) {
	if port.Type == intstr.Int {
		c.port(field, port.IntVal)
		return
	}
	if _, err := strconv.Atoi(port.StrVal); err == nil {
		c.invalid(field, "%q is text: write the number %s without quotes", port.StrVal, port.StrVal)
		return
	}
	c.valid(field, port.StrVal, validation.IsValidPortName)
}

func (c *checker) atLeast(field string, value, low int32) {
	if value < low {
		c.invalid(field, "%d is not allowed: write %d or more", value, low)
	}
}

func (c *checker) address(field, text string) netip.Addr {
	a, err := netip.ParseAddr(text)
	if err != nil {
		c.invalid(field, "%q is not an IP address: write for example 192.0.2.10 or 2001:db8::10", text)
	}
	return a
}

func (c *checker) prefix(field, text string) {
	if _, err := netip.ParsePrefix(strings.TrimSpace(text)); err != nil {
		c.invalid(field, "%q is not an address block: write for example 10.0.0.0/8", text)
	}
}

// unique reports a name used twice; an empty name never counts.
func (c *checker) unique(seen map[string]bool, field, name string) {
	if name == "" {
		return
	}
	if seen[name] {
		c.invalid(field, "%q is used twice: give each its own", name)
	}
	seen[name] = true
}

func (c *checker) selector(field string, s *metav1.LabelSelector) {
	c.labels(sub(field, "matchLabels"), s.MatchLabels)
	for i, e := range s.MatchExpressions {
		f := at(field, "matchExpressions", i)
		c.valid(sub(f, "key"), e.Key, validation.IsQualifiedName)
		oneOf(c, sub(f, "operator"), e.Operator, metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn, metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist)
		needsValues := e.Operator == metav1.LabelSelectorOpIn || e.Operator == metav1.LabelSelectorOpNotIn
		if needsValues != (len(e.Values) > 0) {
			c.invalid(sub(f, "values"), "In and NotIn want at least one value, Exists and DoesNotExist none")
		}
	}
}
