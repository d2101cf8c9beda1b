// Package translate turns the objects of a view into the IR, with the meaning
// that ingress-nginx gives them.
//
// It is pure: it reads a store.View and returns a configuration and problems;
// it never writes an object, looks at a clock, a file or the network, and its
// output has a stable order. Golden pairs in testdata are its specification.
package translate

import (
	"daemun/internal/ir"
	"daemun/internal/store"
)

// Options are the flags that translation needs. The zero value is not useful;
// start from DefaultOptions.
type Options struct {
	// Controllers are the IngressClass controller names that are ours.
	Controllers []string
	// IngressClass is the value of the kubernetes.io/ingress.class annotation
	// that is ours (flag --ingress-class).
	IngressClass string
	// IngressClassByName also accepts an IngressClass object by that name.
	IngressClassByName bool
	// WithoutClass accepts Ingresses without any class.
	WithoutClass bool
	// AnnotationsPrefix is "nginx.ingress.kubernetes.io".
	AnnotationsPrefix string
	// DefaultBackendService and DefaultCertificate are "namespace/name" or
	// empty.
	DefaultBackendService string
	DefaultCertificate    string
}

// DefaultOptions are ingress-nginx's.
func DefaultOptions() Options {
	return Options{
		Controllers:       []string{"k8s.io/ingress-nginx", "daemun.dev/ingress"},
		IngressClass:      "nginx",
		AnnotationsPrefix: "nginx.ingress.kubernetes.io",
	}
}

// Result is one translation.
type Result struct {
	Config *ir.Config
	// Problems are sorted.
	Problems []ir.Problem
	// Accepted are the Ingresses of our class, sorted.
	Accepted []store.Name
}

// Translator remembers what it parsed of unchanged objects, so that a full
// translation of 10,000 Ingresses of which one changed stays within a few
// milliseconds. Its results do not depend on what it remembers. It is used by
// one goroutine.
type Translator struct{}

// New returns a translator with an empty memory.
func New(o Options) *Translator { panic("unimplemented") }

// Translate returns the configuration of a view.
func (t *Translator) Translate(v *store.View) Result { panic("unimplemented") }

// Endpoints returns what a backend has now: ready endpoints from the
// EndpointSlices of its Service, or the external name.
func Endpoints(v *store.View, b *ir.Backend) ir.EndpointSet { panic("unimplemented") }
