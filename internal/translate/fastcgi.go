package translate

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"daemun/internal/ir"
	"daemun/internal/variable"
)

// paramName is what a parameter of FastCGI may be called.
var paramName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// compileFastCGI reads fastcgi-index and fastcgi-params-configmap.
func (c *compilation) compileFastCGI() {
	v := c.values
	if v.Protocol != ir.ProtocolFCGI || v.FastCGIIndex == "" && v.FastCGIParams == "" {
		return
	}
	f := &ir.FastCGI{Index: v.FastCGIIndex}
	if v.FastCGIParams != "" {
		var wrong string
		if f.Params, wrong = c.fastCGIParams(v.FastCGIParams); wrong != "" {
			c.deny("fastcgi-params-configmap", wrong)
		}
	}
	v.FastCGI = f
}

// fastCGIParams reads a ConfigMap. As in ingress-nginx it is looked for in the
// namespace of the Ingress when no other is named.
func (c *compilation) fastCGIParams(name string) (params []ir.Field, wrong string) {
	if !strings.Contains(name, "/") {
		name = c.name.Namespace + "/" + name
	}
	object, wrong := c.configMap(name)
	if wrong != "" {
		return nil, wrong
	}
	for _, key := range slices.Sorted(maps.Keys(object.Data)) {
		value := strings.TrimSpace(object.Data[key])
		if !paramName.MatchString(key) || !fieldValue.MatchString(value) {
			return nil, fmt.Sprintf("ConfigMap %q has the entry %.80q, which is no parameter of FastCGI: names have letters, digits and _, values are one line", name, key)
		}
		value = unquoted(value)
		if strings.Contains(strings.NewReplacer("{", "", "}", "").Replace(value), "$document_root") {
			return nil, fmt.Sprintf("ConfigMap %q: the value of %s has $document_root, a folder of nginx: write the folder of the application instead", name, key)
		}
		if _, err := variable.Parse(value); err != nil {
			return nil, fmt.Sprintf("ConfigMap %q: the value of %s cannot be used: %v", name, key, err)
		}
		params = append(params, ir.Field{Name: key, Value: value})
	}
	return params, ""
}

// unquoted takes the quotation marks off that nginx's configuration needs.
func unquoted(s string) string {
	if n := len(s); n >= 2 && s[0] == s[n-1] && (s[0] == '"' || s[0] == '\'') {
		return s[1 : n-1]
	}
	return s
}
