package console

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/admin"
	"daemun/internal/ir"
	"daemun/internal/listen"
)

// WriteList prints the items of a kind (its resource name) as selected. An
// empty list is a *NoneError.
func WriteList(w io.Writer, resource string, items json.RawMessage, s Selection) error {
	v, err := lister(resource)
	if err != nil {
		return err
	}
	return v.write(w, resource, items, s)
}

// listing is a view of any kind.
type listing interface {
	write(w io.Writer, kind string, raw json.RawMessage, s Selection) error
	follow(w io.Writer, kind string, raw json.RawMessage, s Selection, f *Follower) error
}

func lister(resource string) (listing, error) {
	known := map[string]listing{
		"pods": pods, "services": services, "endpoints": endpoints, "endpointslices": endpointSlices,
		"ingresses": ingresses, "ingressclasses": ingressClasses, "nodes": nodes, "namespaces": namespaces,
		"routes": routes, "certificates": certificates, "problems": problems,
	}
	if v, ok := known[resource]; ok {
		return v, nil
	}
	return nil, fmt.Errorf("no table for %s", resource)
}

func metaID[T metav1.Object](o T) (string, string) { return o.GetNamespace(), o.GetName() }

func nameColumn[T metav1.Object]() column[T] {
	return column[T]{header: "NAME", cell: func(o T) string { return o.GetName() }}
}

func ageColumn[T metav1.Object](now time.Time) column[T] {
	// Objects of manifests have no age: when they were read says nothing about
	// them, and must not look as if it decided who is older.
	return column[T]{header: "AGE", optional: true, drifts: true, cell: func(o T) string {
		if t := o.GetCreationTimestamp(); !t.IsZero() {
			return Age(now.Sub(t.Time))
		}
		return ""
	}}
}

var pods = view[*corev1.Pod]{id: metaID[*corev1.Pod], columns: func(now time.Time) []column[*corev1.Pod] {
	return []column[*corev1.Pod]{
		nameColumn[*corev1.Pod](),
		{header: "READY", cell: func(p *corev1.Pod) string {
			ready := 0
			for _, c := range p.Status.ContainerStatuses {
				if c.Ready {
					ready++
				}
			}
			return fmt.Sprintf("%d/%d", ready, len(p.Spec.Containers))
		}},
		{header: "STATUS", cell: podStatus},
		{header: "RESTARTS", cell: func(p *corev1.Pod) string {
			var n int32
			for _, c := range p.Status.ContainerStatuses {
				n += c.RestartCount
			}
			return strconv.Itoa(int(n))
		}},
		ageColumn[*corev1.Pod](now),
		{header: "IP", wide: true, cell: func(p *corev1.Pod) string { return p.Status.PodIP }},
		{header: "NODE", wide: true, cell: func(p *corev1.Pod) string { return p.Spec.NodeName }},
	}
}}

// podStatus is the word kubectl shows: the reason of the first container that
// is not running, else the phase.
func podStatus(p *corev1.Pod) string {
	if p.DeletionTimestamp != nil {
		return "Terminating"
	}
	for i, c := range p.Status.InitContainerStatuses {
		switch {
		case c.State.Waiting != nil && c.State.Waiting.Reason != "" && c.State.Waiting.Reason != "PodInitializing":
			return "Init:" + c.State.Waiting.Reason
		case c.State.Running != nil && (c.Started == nil || !*c.Started):
			return fmt.Sprintf("Init:%d/%d", i, len(p.Spec.InitContainers))
		}
	}
	for _, c := range p.Status.ContainerStatuses {
		switch {
		case c.State.Waiting != nil && c.State.Waiting.Reason != "":
			return c.State.Waiting.Reason
		case c.State.Terminated != nil && c.State.Terminated.Reason != "":
			return c.State.Terminated.Reason
		}
	}
	return string(p.Status.Phase)
}

var endpointSlices = view[*discoveryv1.EndpointSlice]{id: metaID[*discoveryv1.EndpointSlice], columns: func(now time.Time) []column[*discoveryv1.EndpointSlice] {
	return []column[*discoveryv1.EndpointSlice]{
		nameColumn[*discoveryv1.EndpointSlice](),
		{header: "ADDRESSTYPE", cell: func(s *discoveryv1.EndpointSlice) string { return string(s.AddressType) }},
		{header: "PORTS", cell: func(s *discoveryv1.EndpointSlice) string {
			var list []string
			for _, p := range s.Ports {
				if p.Port != nil {
					list = append(list, strconv.Itoa(int(*p.Port)))
				}
			}
			return strings.Join(list, ",")
		}},
		{header: "ENDPOINTS", cell: func(s *discoveryv1.EndpointSlice) string {
			var list []string
			for _, e := range s.Endpoints {
				list = append(list, e.Addresses...)
			}
			return strings.Join(list, ",")
		}},
		ageColumn[*discoveryv1.EndpointSlice](now),
	}
}}

var ingresses = view[*networkingv1.Ingress]{id: metaID[*networkingv1.Ingress], columns: func(now time.Time) []column[*networkingv1.Ingress] {
	return []column[*networkingv1.Ingress]{
		nameColumn[*networkingv1.Ingress](),
		{header: "CLASS", cell: func(i *networkingv1.Ingress) string {
			if i.Spec.IngressClassName != nil {
				return *i.Spec.IngressClassName
			}
			return i.Annotations["kubernetes.io/ingress.class"]
		}},
		{header: "HOSTS", cell: func(i *networkingv1.Ingress) string {
			var list []string
			for _, r := range i.Spec.Rules {
				list = append(list, r.Host)
			}
			if text := strings.Trim(strings.Join(list, ","), ","); text != "" {
				return text
			}
			return "*"
		}},
		{header: "ADDRESS", cell: func(i *networkingv1.Ingress) string {
			var list []string
			for _, a := range i.Status.LoadBalancer.Ingress {
				list = append(list, a.IP+a.Hostname)
			}
			return strings.Join(list, ",")
		}},
		{header: "PORTS", cell: func(i *networkingv1.Ingress) string {
			if len(i.Spec.TLS) > 0 {
				return "80, 443"
			}
			return "80"
		}},
		ageColumn[*networkingv1.Ingress](now),
	}
}}

var ingressClasses = view[*networkingv1.IngressClass]{id: metaID[*networkingv1.IngressClass], clusterWide: true, columns: func(now time.Time) []column[*networkingv1.IngressClass] {
	return []column[*networkingv1.IngressClass]{
		nameColumn[*networkingv1.IngressClass](),
		{header: "CONTROLLER", cell: func(c *networkingv1.IngressClass) string { return c.Spec.Controller }},
		ageColumn[*networkingv1.IngressClass](now),
	}
}}

var namespaces = view[*corev1.Namespace]{id: metaID[*corev1.Namespace], clusterWide: true, columns: func(now time.Time) []column[*corev1.Namespace] {
	return []column[*corev1.Namespace]{nameColumn[*corev1.Namespace](), ageColumn[*corev1.Namespace](now)}
}}

var routes = view[admin.Route]{
	// A route has no name of its own: it is called as "top" and "tap" call it,
	// and found by its host and by its Ingress, too.
	id: func(r admin.Route) (string, string) { return r.Ingress.Namespace, orStar(r.Host) + r.Path },
	aliases: func(r admin.Route) []string {
		return []string{r.Ingress.Name, orStar(r.Host), orStar(r.Host) + r.Pattern}
	},
	columns: func(time.Time) []column[admin.Route] {
		return []column[admin.Route]{
			{header: "HOST", cell: func(r admin.Route) string { return orStar(r.Host) }},
			{header: "PATH", cell: func(r admin.Route) string { return r.Pattern }},
			{header: "MATCH", cell: func(r admin.Route) string { return string(r.Match) }},
			{header: "BACKEND", cell: func(r admin.Route) string {
				switch {
				case r.Redirect != nil:
					return redirectText(r.Redirect)
				case r.Denied != 0:
					return fmt.Sprintf("denied (%d)", r.Denied)
				case r.Backend == "":
					return "404 page"
				}
				return string(r.Backend)
			}},
			{header: "ENDPOINTS", cell: func(r admin.Route) string {
				if r.Backend == "" || r.Redirect != nil || r.Denied != 0 {
					return "-"
				}
				return strconv.Itoa(len(r.Endpoints))
			}},
			{header: "INGRESS", cell: func(r admin.Route) string { return strings.Trim(r.Ingress.Namespace+"/"+r.Ingress.Name, "/") }},
		}
	},
}

func redirectText(r *ir.Redirect) string {
	if r.AppendSlash {
		return fmt.Sprintf("redirect %d to add a slash", r.Code)
	}
	return fmt.Sprintf("redirect %d %s", r.Code, r.Location)
}

func orStar(s string) string {
	if s == "" {
		return "*"
	}
	return s
}

var certificates = view[listen.CertificateInfo]{
	id: func(c listen.CertificateInfo) (string, string) {
		namespace, name, _ := strings.Cut(string(c.ID), "/")
		return namespace, name
	},
	columns: func(now time.Time) []column[listen.CertificateInfo] {
		return []column[listen.CertificateInfo]{
			{header: "SECRET", cell: func(c listen.CertificateInfo) string { return string(c.ID) }},
			{header: "NAMES", cell: func(c listen.CertificateInfo) string { return strings.Join(c.Names, ",") }},
			{header: "EXPIRES", drifts: true, cell: func(c listen.CertificateInfo) string {
				if left := c.NotAfter.Sub(now); left > 0 {
					return "in " + Age(left)
				}
				return "expired"
			}},
			{header: "HOSTS", cell: func(c listen.CertificateInfo) string { return strings.Join(c.Hosts, ",") }},
			{header: "FINGERPRINT", wide: true, cell: func(c listen.CertificateInfo) string { return c.Fingerprint }},
		}
	},
}

var problems = view[ir.Problem]{
	id: func(p ir.Problem) (string, string) { return p.Object.Namespace, p.Object.Name },
	columns: func(time.Time) []column[ir.Problem] {
		return []column[ir.Problem]{
			{header: "SEVERITY", cell: func(p ir.Problem) string { return string(p.Severity) }},
			{header: "CODE", cell: func(p ir.Problem) string { return p.Code }},
			{header: "OBJECT", cell: func(p ir.Problem) string { return p.Object.String() }},
			{header: "FIELD", cell: func(p ir.Problem) string { return p.Field }},
			{header: "MESSAGE", cell: func(p ir.Problem) string { return p.Message }},
			{header: "PLACE", wide: true, cell: func(p ir.Problem) string {
				if p.File == "" {
					return ""
				}
				if p.Line == 0 { // the whole file
					return p.File
				}
				return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
			}},
		}
	},
}
