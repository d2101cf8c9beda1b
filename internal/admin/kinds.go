package admin

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"daemun/internal/ir"
	"daemun/internal/nearest"
	"daemun/internal/store"
	"daemun/internal/upstream"
)

// Kind is something `get` shows: its resource name, and what it is called for
// short.
type Kind struct {
	Resource string
	Short    []string
	// ObjectKind is the Kubernetes kind, or Daemun's own ("Route").
	ObjectKind string
	// Namespaced kinds are filtered by -n.
	Namespaced bool
	list       func(s server) any
}

// Kinds are all kinds of `get`, in the order help shows them.
func Kinds() []Kind {
	return []Kind{
		{"pods", []string{"pod", "po"}, "Pod", true, func(s server) any { return sorted(s.View().Pods) }},
		{"services", []string{"service", "svc"}, "Service", true, func(s server) any { return sorted(s.View().Services) }},
		{"endpoints", []string{"endpoint", "ep"}, "Endpoints", true, func(s server) any { return endpoints(s.View()) }},
		{"endpointslices", []string{"endpointslice"}, "EndpointSlice", true, func(s server) any { return sorted(s.View().EndpointSlices) }},
		{"ingresses", []string{"ingress", "ing"}, "Ingress", true, server.ingresses},
		{"ingressclasses", []string{"ingressclass"}, "IngressClass", false, func(s server) any { return sorted(s.View().IngressClasses) }},
		{"nodes", []string{"node", "no"}, "Node", false, func(s server) any { return sorted(s.View().Nodes) }},
		{"namespaces", []string{"namespace", "ns"}, "Namespace", false, func(s server) any { return sorted(s.View().Namespaces) }},
		{"routes", []string{"route"}, "Route", true, server.routes},
		{"certificates", []string{"certificate", "cert", "certs"}, "Certificate", true, func(s server) any { return s.Certificates() }},
		{"problems", []string{"problem"}, "Problem", true, func(s server) any { return s.Problems() }},
	}
}

// Labelled says that objects of the kind have labels.
func (k Kind) Labelled() bool {
	return !slices.Contains([]string{"endpoints", "routes", "certificates", "problems"}, k.Resource)
}

// FindKind finds a kind by resource name or one of its short names.
// and, as kubectl takes it, with its group ("ingresses.networking.k8s.io").
func FindKind(name string) (Kind, error) {
	word, _, _ := strings.Cut(strings.ToLower(name), ".")
	var known, spelt []string
	for _, k := range Kinds() {
		if k.Resource == word || slices.Contains(k.Short, word) {
			return k, nil
		}
		known = append(known, k.Resource)
		spelt = append(append(spelt, k.Resource), k.Short...)
	}
	hint := ""
	if slices.Contains(workloads, word) {
		hint = "; of workloads the Pods are listed, with get pods"
	} else if near := nearest.Name(word, spelt); near != "" {
		hint = "; did you mean " + near + "?"
	}
	return Kind{}, fmt.Errorf("unknown kind %q; known are %s%s", name, strings.Join(known, ", "), hint)
}

// workloads are kinds that kubectl lists and "up" runs, by all their names.
var workloads = []string{
	"deployments", "deployment", "deploy", "replicasets", "replicaset", "rs", "statefulsets", "statefulset", "sts",
	"daemonsets", "daemonset", "ds", "jobs", "job", "all",
}

// List is the answer for a kind.
type List struct {
	Kind  string `json:"kind"`
	Items any    `json:"items"`
}

func (s server) list(w http.ResponseWriter, r *http.Request) {
	k, err := FindKind(r.PathValue("kind"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	writeJSON(w, List{Kind: k.ObjectKind + "List", Items: k.list(s)})
}

// sorted returns the objects by namespace and name, never nil.
func sorted[T store.Object](m map[store.Name]T) []T {
	list := make([]T, 0, len(m))
	for _, o := range m {
		list = append(list, o)
	}
	slices.SortFunc(list, func(a, b T) int {
		return cmp.Or(cmp.Compare(a.GetNamespace(), b.GetNamespace()), cmp.Compare(a.GetName(), b.GetName()))
	})
	return list
}

// ingresses shows the address of this Daemun on those it serves.
func (s server) ingresses() any {
	list := sorted(s.View().Ingresses)
	accepted := s.State().Accepted
	for i, ing := range list {
		if slices.Contains(accepted, store.NameOf(ing)) {
			shown := ing.DeepCopy()
			shown.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{IP: s.Address}}
			list[i] = shown
		}
	}
	return list
}

// Route is one row of `get routes`: the route with its host and what its
// backend has right now.
type Route struct {
	Host      string            `json:"host"`
	Endpoints []upstream.Status `json:"endpoints,omitempty"`
	*ir.Route
}

func (s server) routes() any {
	list := []Route{}
	c := s.State().Config
	if c == nil {
		return list
	}
	for _, h := range c.Hosts {
		for _, r := range h.Routes {
			row := Route{Host: h.Name, Route: r}
			if r.Backend != "" {
				row.Endpoints = s.Backend(r.Backend).Status()
			}
			list = append(list, row)
		}
	}
	return list
}
