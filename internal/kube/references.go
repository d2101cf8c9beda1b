package kube

import (
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"daemun/internal/store"
)

const serviceLabel = discoveryv1.LabelServiceName

// references know which Secrets and ConfigMaps something refers to: only their
// data is kept (H10.1).
type references struct {
	prefix string
	pins   map[store.Key]bool
	byFrom map[store.Key][]store.Key
	count  map[store.Key]int
}

func newReferences(prefix string, pins []store.Key) references {
	r := references{prefix: prefix + "/", pins: map[store.Key]bool{}, byFrom: map[store.Key][]store.Key{}, count: map[store.Key]int{}}
	for _, k := range pins {
		r.pins[k] = true
	}
	return r
}

func (r *references) has(k store.Key) bool { return r.pins[k] || r.count[k] > 0 }

// pinned reports whether a flag names the object, or the Service that an
// EndpointSlice belongs to.
func (r *references) pinned(k store.Key, o store.Object) bool {
	if r.pins[k] {
		return true
	}
	slice, ok := o.(*discoveryv1.EndpointSlice)
	return ok && r.pins[store.Key{Kind: "Service", Namespace: k.Namespace, Name: slice.Labels[serviceLabel]}]
}

// set replaces what an object refers to and returns what nothing refers to any
// more.
func (r *references) set(from store.Key, to []store.Key) (dropped []store.Key) {
	for _, k := range to {
		r.count[k]++
	}
	for _, k := range r.byFrom[from] {
		if r.count[k]--; r.count[k] == 0 {
			delete(r.count, k)
			if !r.pins[k] {
				dropped = append(dropped, k)
			}
		}
	}
	if len(to) == 0 {
		delete(r.byFrom, from)
	} else {
		r.byFrom[from] = to
	}
	return dropped
}

// of lists what an object refers to. It does not know the annotations: every
// value that can be the name of a Secret or ConfigMap counts, where the name
// of the annotation says that it is one.
func (r *references) of(k store.Key, o store.Object) (to []store.Key) {
	switch o := o.(type) {
	case *networkingv1.Ingress:
		for i := range o.Spec.TLS {
			if name := o.Spec.TLS[i].SecretName; name != "" {
				to = append(to, store.Key{Kind: "Secret", Namespace: k.Namespace, Name: name})
			}
		}
		for name, value := range o.Annotations {
			if strings.HasPrefix(name, r.prefix) && referring.MatchString(name) {
				to = append(to, named(k.Namespace, value)...)
			}
		}
	case *corev1.ConfigMap:
		if !r.pins[k] {
			return nil
		}
		for _, value := range o.Data { // add-headers, ssl-dh-param and the like
			if strings.Contains(value, "/") {
				to = append(to, named(k.Namespace, value)...)
			}
		}
	}
	return to
}

var (
	referring  = regexp.MustCompile(`(secret|configmap|headers)$`)
	objectName = regexp.MustCompile(`^([a-z0-9][-a-z0-9]*/)?[a-z0-9][-.a-z0-9]*$`)
)

// maxObjectName is the length of the longest namespace, a slash and the longest
// name.
const maxObjectName = 63 + 1 + 253

// named returns the objects that "name" or "namespace/name" may stand for.
func named(namespace, value string) []store.Key {
	value = strings.TrimSpace(value)
	if len(value) > maxObjectName || !objectName.MatchString(value) {
		return nil
	}
	name := value
	if before, after, ok := strings.Cut(value, "/"); ok {
		namespace, name = before, after
	}
	return []store.Key{{Kind: "Secret", Namespace: namespace, Name: name}, {Kind: "ConfigMap", Namespace: namespace, Name: name}}
}
