package policy

import (
	"strconv"
	"strings"

	"daemun/internal/ir"
)

// The fields of CORS answers.
const (
	allowOrigin      = "Access-Control-Allow-Origin"
	allowCredentials = "Access-Control-Allow-Credentials"
	allowMethods     = "Access-Control-Allow-Methods"
	allowHeaders     = "Access-Control-Allow-Headers"
	exposeHeaders    = "Access-Control-Expose-Headers"
	maxAge           = "Access-Control-Max-Age"
)

// CORS decides about origins and knows the fields of the answer.
type CORS struct {
	any     bool
	origins []origin
	fields  []ir.Field
}

// origin is one allowed origin. With a label it is written "scheme://*.rest".
type origin struct {
	before, after string // lower case; all of it is before when label is false
	label         bool
}

func newCORS(c *ir.CORS) *CORS {
	if c == nil {
		return nil
	}
	made := &CORS{}
	for _, o := range c.Origins {
		if o == "*" {
			made.any = true
			continue
		}
		before, after, label := strings.Cut(o, "*")
		made.origins = append(made.origins, origin{before: before, after: after, label: label})
	}
	if c.Credentials {
		made.fields = append(made.fields, ir.Field{Name: allowCredentials, Value: "true"})
	}
	made.fields = append(made.fields, ir.Field{Name: allowMethods, Value: c.Methods}, ir.Field{Name: allowHeaders, Value: c.Headers})
	if c.Expose != "" {
		made.fields = append(made.fields, ir.Field{Name: exposeHeaders, Value: c.Expose})
	}
	made.fields = append(made.fields, ir.Field{Name: maxAge, Value: strconv.Itoa(c.MaxAge)})
	return made
}

// Allows reports whether the response to a request with this Origin field gets
// the fields; nil is a request without one.
func (c *CORS) Allows(from []byte) bool {
	if c.any {
		return true
	}
	for i := range c.origins {
		if c.origins[i].is(from) {
			return true
		}
	}
	return false
}

// is compares the whole origin (ingress-nginx §15.12), without regard to case.
func (o *origin) is(from []byte) bool {
	if !o.label {
		return equalFold(from, o.before)
	}
	n := len(from) - len(o.before) - len(o.after)
	if n < 1 || !equalFold(from[:len(o.before)], o.before) || !equalFold(from[len(from)-len(o.after):], o.after) {
		return false
	}
	for _, c := range from[len(o.before) : len(from)-len(o.after)] {
		if !isLetterOrDigit(c) && c != '-' {
			return false
		}
	}
	return true
}

// AllowOrigin is the value of Access-Control-Allow-Origin for an origin that
// Allows accepts.
func (c *CORS) AllowOrigin(from []byte) (name string, value []byte) {
	if c.any {
		return allowOrigin, anyOrigin
	}
	return allowOrigin, from
}

var anyOrigin = []byte("*")

// Fields are the other fields of the answer. They must not be changed.
func (c *CORS) Fields() []ir.Field { return c.fields }

// Replaces reports whether a field of a backend gives way to one of ours.
func (c *CORS) Replaces(name []byte) bool {
	if !hasPrefixFold(name, "access-control-") {
		return false
	}
	return equalFold(name, allowOrigin) || names(c.fields, name)
}

// names reports whether one of the fields has this name.
func names(fields []ir.Field, name []byte) bool {
	for i := range fields {
		if equalFold(name, fields[i].Name) {
			return true
		}
	}
	return false
}
