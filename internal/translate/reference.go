package translate

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"daemun/internal/annotation"
	"daemun/internal/ir"
	"daemun/internal/store"

	corev1 "k8s.io/api/core/v1"
)

// What a field that comes from a ConfigMap may be.
var (
	fieldName  = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
	fieldValue = regexp.MustCompile(`^[\t\x20-\x7e\x{80}-\x{10ffff}]*$`)
)

// framingFields are made by Daemun for each message; no setting may name them.
var framingFields = []string{"connection", "content-length", "date", "keep-alive", "location", "te", "trailer", "transfer-encoding", "upgrade"}

// compileReferences resolves the ConfigMaps and Secrets that annotations name.
// What cannot be used closes the routes of the Ingress (ingress-nginx §1).
func (c *compilation) compileReferences() {
	c.compileBasicAuth()
	c.compileExternalAuth()
	c.compileMirror()
	c.compileClientAuth()
	c.compileBackendTLS()
	c.compileFastCGI()
	if name := c.values.CustomHeaders; name != "" {
		if wrong := c.customHeaders(name); wrong != "" {
			c.deny("custom-headers", wrong)
		}
	}
}

// deny makes all routes of the Ingress answer 503 because of an annotation.
func (c *compilation) deny(name, wrong string) {
	c.denied = 503
	c.report(annotation.CodeReference, ir.SeverityError, annotation.Field(c.t.options.AnnotationsPrefix+"/"+name),
		"%s; all routes of the Ingress answer 503", wrong)
}

// writes reports whether the Ingress has an annotation that is not empty.
func (c *compilation) writes(name string) bool {
	return strings.TrimSpace(c.used.Annotations[c.t.options.AnnotationsPrefix+"/"+name]) != ""
}

// configMap looks up what an annotation names as "namespace/name" and remembers
// the use; wrong says why there is none.
func (c *compilation) configMap(name string) (object *corev1.ConfigMap, wrong string) {
	full, wrong := c.referenced("ConfigMap", name)
	if wrong != "" {
		return nil, wrong
	}
	object = c.v.ConfigMaps[full]
	c.configMaps = append(c.configMaps, configMapUse{full, object})
	if object == nil {
		return nil, fmt.Sprintf("there is no ConfigMap %q in namespace %q", full.Name, full.Namespace)
	}
	return object, ""
}

// referenced splits a reference and refuses other namespaces (H10.1).
func (c *compilation) referenced(kind, name string) (full store.Name, wrong string) {
	namespace, bare, ok := strings.Cut(name, "/")
	if !ok {
		return full, fmt.Sprintf("%q does not say in which namespace the %s is: write %s/%s", name, kind, c.name.Namespace, name)
	}
	if namespace != c.name.Namespace && !c.t.options.CrossNamespace {
		return full, fmt.Sprintf("%s %q is in another namespace than the Ingress, which is not allowed", kind, name)
	}
	return store.Name{Namespace: namespace, Name: bare}, ""
}

// customHeaders reads the fields of custom-headers.
func (c *compilation) customHeaders(name string) (wrong string) {
	object, wrong := c.configMap(name)
	if wrong != "" {
		return wrong
	}
	fields, wrong := fieldsOf(object)
	if wrong != "" {
		return wrong
	}
	for _, f := range fields {
		if !slices.Contains(c.t.options.AllowedResponseHeaders, f.Name) {
			return fmt.Sprintf("ConfigMap %q sets the field %s, which global-allowed-response-headers does not list", name, f.Name)
		}
	}
	c.values.ResponseFields = fields
	c.values.Fields = withoutFields(c.values.Fields, fields)
	return ""
}

// fieldsOf reads a ConfigMap whose entries are fields, sorted by name.
func fieldsOf(object *corev1.ConfigMap) (fields []ir.Field, wrong string) {
	for _, name := range slices.Sorted(maps.Keys(object.Data)) {
		value := object.Data[name]
		switch {
		case !fieldName.MatchString(name):
			return nil, fmt.Sprintf("ConfigMap %q has the key %.80q, which is no field name: write letters, digits, - and _", object.Namespace+"/"+object.Name, name)
		case slices.Contains(framingFields, strings.ToLower(name)):
			return nil, fmt.Sprintf("ConfigMap %q sets the field %s, which belongs to the connection", object.Namespace+"/"+object.Name, name)
		case !fieldValue.MatchString(value):
			return nil, fmt.Sprintf("ConfigMap %q has a value for %s that is no field value: it must be one line", object.Namespace+"/"+object.Name, name)
		}
		fields = append(fields, ir.Field{Name: name, Value: strings.TrimSpace(value)})
	}
	return fields, ""
}
