package check

import (
	"fmt"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/version"

	"daemun/internal/ir"
	"daemun/internal/kube"
)

// The findings about a cluster.
const (
	// CodeAPIServer: the API server does not answer.
	CodeAPIServer = "DMN0820"
	// CodeRight: a permission is missing.
	CodeRight = "DMN0821"
	// CodeVersion: the API server is too old.
	CodeVersion = "DMN0822"
	// CodeSkew: the clocks of the API server and of this machine differ.
	CodeSkew = "DMN0823"
	// CodeClassShared: several IngressClasses name one controller of ours.
	CodeClassShared = "DMN0824"
	// CodeTwoDefaults: several IngressClasses are the default.
	CodeTwoDefaults = "DMN0825"
	// CodeOtherController: an ingress-nginx serves the same classes.
	CodeOtherController = "DMN0826"
	// CodeTwoAddresses: Ingresses show the addresses of two controllers.
	CodeTwoAddresses = "DMN0827"
	// CodeTwoLeaders: two elections have a leader.
	CodeTwoLeaders = "DMN0828"
	// CodeUnread: a part of the cluster could not be looked at.
	CodeUnread = "DMN0829"
	// CodeNoClass: no IngressClass is ours.
	CodeNoClass = "DMN0830"
	// CodeWithoutClass: nobody serves Ingresses without a class.
	CodeWithoutClass = "DMN0831"
)

const (
	// mostSkew is what certificates and Leases bear.
	mostSkew = 10 * time.Second
	// defaultClass marks the IngressClass of Ingresses that name none.
	defaultClass = "ingressclass.kubernetes.io/is-default-class"
	// nginxController is the controller of ingress-nginx without
	// --controller-class.
	nginxController = "k8s.io/ingress-nginx"
)

// Cluster is what is asked about a cluster.
type Cluster struct {
	*kube.Survey
	// Ours are spec.controller of the IngressClasses to be served, Class is the
	// value of the annotation.
	Ours  []string
	Class string
	// WithoutClass: Ingresses without a class are served, too.
	WithoutClass bool
}

// Unreachable is the finding of an API server that does not answer.
func Unreachable(host string, err error) []ir.Problem {
	return []ir.Problem{{
		Code: CodeAPIServer, Severity: ir.SeverityError, Field: "API server",
		Message: fmt.Sprintf("%s does not answer: %v; choose another cluster with --kubeconfig and --context, or see that it can be reached from here", host, err),
	}}
}

// Findings looks at the cluster.
func (c Cluster) Findings() []ir.Problem {
	var list []ir.Problem
	for _, look := range []func() []ir.Problem{c.oldServer, c.skew, c.others, c.leaders, c.addresses, c.defaults, c.classes, c.withoutClass, c.unread} {
		list = append(list, look()...)
	}
	return list
}

func (c Cluster) oldServer() []ir.Problem {
	v, err := version.ParseGeneric(c.Version)
	if err != nil || v.AtLeast(version.MajorMinor(1, 21)) {
		return nil // what cannot be read is no reason to worry
	}
	return finding(CodeVersion, ir.SeverityError, "API server", "it is Kubernetes %s, which has no EndpointSlices of discovery.k8s.io/v1: 1.21 is the first one that has", c.Version)
}

func (c Cluster) skew() []ir.Problem {
	if c.Clock.IsZero() {
		return nil
	}
	// What the request and the answer took on the way is nobody's skew.
	ahead, behind := c.Before.Sub(c.Clock), c.Clock.Sub(c.After)
	word := "ahead of"
	if behind > ahead {
		ahead, word = behind, "behind"
	}
	if ahead <= mostSkew {
		return nil
	}
	return finding(CodeSkew, ir.SeverityWarning, "clock", "the clock of this machine is %s %s that of the API server: synchronise both, or certificates and tokens that were just made are not valid yet",
		ahead.Round(time.Second), word)
}

// others are running ingress-nginx that serve what this one is to serve.
func (c Cluster) others() []ir.Problem {
	var list []ir.Problem
	for _, p := range c.Controllers {
		image, controller := nginx(p)
		if image == "" || p.DeletionTimestamp != nil || !slices.Contains(c.Ours, controller) {
			continue
		}
		found := finding(CodeOtherController, ir.SeverityWarning, "",
			"ingress-nginx (%s) serves the IngressClasses of controller %s, too: both answer, and unless they share one Lease both write the addresses of the same Ingresses by turns; give one of them another --controller-class and IngressClass until the other is gone (docs/from-ingress-nginx.md)", image, controller)
		found[0].Object = ir.Ref{Kind: "Pod", Namespace: p.Namespace, Name: p.Name}
		list = append(list, found...)
	}
	return list
}

// nginx returns the image of an ingress-nginx and which controller it is, or
// nothing for other Pods.
func nginx(p corev1.Pod) (image, controller string) {
	if p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
		return "", ""
	}
	for _, container := range p.Spec.Containers {
		if !strings.Contains(container.Image, "ingress-nginx") && !strings.Contains(container.Image, "nginx-ingress-controller") || strings.Contains(container.Image, "daemun") {
			continue
		}
		controller = nginxController
		for _, arg := range slices.Concat(container.Command, container.Args) {
			if value, ok := strings.CutPrefix(arg, "--controller-class="); ok {
				controller = value
			}
		}
		return container.Image, controller
	}
	return "", ""
}

// leaders are elections of one name in several namespaces.
func (c Cluster) leaders() []ir.Problem {
	now := c.Clock
	if now.IsZero() {
		now = c.After
	}
	var alive []string
	for _, l := range c.Leases {
		if held(l, now) {
			alive = append(alive, fmt.Sprintf("%s/%s (held by %s)", l.Namespace, l.Name, *l.Spec.HolderIdentity))
		}
	}
	if len(alive) < 2 {
		return nil
	}
	slices.Sort(alive)
	return finding(CodeTwoLeaders, ir.SeverityWarning, "leases", "%s are alive at once: controllers of both write addresses of Ingresses; that is right only if they serve different classes or namespaces", strings.Join(alive, " and "))
}

// held reports whether somebody holds a Lease now.
func held(l coordinationv1.Lease, now time.Time) bool {
	s := l.Spec
	if s.HolderIdentity == nil || *s.HolderIdentity == "" || s.RenewTime == nil || s.LeaseDurationSeconds == nil {
		return false
	}
	return now.Before(s.RenewTime.Add(time.Duration(*s.LeaseDurationSeconds)*time.Second + mostSkew))
}

// addresses compares what the Ingresses of ours show. One controller writes the
// same into all of them.
func (c Cluster) addresses() []ir.Problem {
	first := map[string]string{}
	var shown []string
	for _, in := range c.Ingresses {
		var list []string
		for _, a := range in.Status.LoadBalancer.Ingress {
			list = append(list, a.IP+a.Hostname)
		}
		slices.Sort(list)
		addresses := strings.Join(list, ", ")
		if addresses == "" || first[addresses] != "" || !c.ours(in) {
			continue
		}
		first[addresses] = in.Namespace + "/" + in.Name
		shown = append(shown, addresses)
	}
	if len(shown) < 2 {
		return nil
	}
	return finding(CodeTwoAddresses, ir.SeverityWarning, "status", "Ingress %s shows %s, Ingress %s shows %s: two controllers write them, or the writer has just changed its address; end one, or give it another class",
		first[shown[0]], shown[0], first[shown[1]], shown[1])
}

// ours reports whether an Ingress names a class of ours.
func (c Cluster) ours(in networkingv1.Ingress) bool {
	if name := in.Spec.IngressClassName; name != nil {
		return slices.ContainsFunc(c.Classes, func(class networkingv1.IngressClass) bool { return class.Name == *name && c.served(class) })
	}
	if name := in.Annotations["kubernetes.io/ingress.class"]; name != "" {
		return name == c.Class
	}
	return c.WithoutClass
}

func (c Cluster) served(class networkingv1.IngressClass) bool {
	return slices.Contains(c.Ours, class.Spec.Controller)
}

func (c Cluster) defaults() []ir.Problem {
	names := c.classNames(func(class networkingv1.IngressClass) bool { return class.Annotations[defaultClass] == "true" })
	if len(names) < 2 {
		return nil
	}
	return finding(CodeTwoDefaults, ir.SeverityWarning, "ingressclasses", "%s are all the default: the API server takes the newest, or refuses Ingresses without a class; leave the annotation %s on one",
		strings.Join(names, " and "), defaultClass)
}

// classes looks at which of them name our controllers.
func (c Cluster) classes() []ir.Problem {
	if slices.ContainsFunc(c.Unread, func(u kube.Unread) bool { return u.Resource == "ingressclasses" }) {
		return nil
	}
	var list []ir.Problem
	found := false
	for _, controller := range c.Ours {
		names := c.classNames(func(class networkingv1.IngressClass) bool { return class.Spec.Controller == controller })
		found = found || len(names) > 0
		if len(names) > 1 {
			list = append(list, finding(CodeClassShared, ir.SeverityNotice, "ingressclasses",
				"%s all have the controller %s: who serves one serves them all; if two controllers are to share the work, give one class and its controller (--controller-class) another name", strings.Join(names, " and "), controller)...)
		}
	}
	if !found {
		list = append(list, finding(CodeNoClass, ir.SeverityWarning, "ingressclasses",
			"none has the controller %s: only Ingresses with the annotation kubernetes.io/ingress.class: %s are served; create one, as deploy/manifests/50-ingressclass.yaml does", strings.Join(c.Ours, " or "), c.Class)...)
	}
	return list
}

func (c Cluster) classNames(want func(networkingv1.IngressClass) bool) []string {
	var names []string
	for _, class := range c.Classes {
		if want(class) {
			names = append(names, class.Name)
		}
	}
	slices.Sort(names)
	return names
}

// withoutClass counts Ingresses that no controller has to serve.
func (c Cluster) withoutClass() []ir.Problem {
	count, one := 0, ""
	for _, in := range c.Ingresses {
		if in.Spec.IngressClassName == nil && in.Annotations["kubernetes.io/ingress.class"] == "" {
			count, one = count+1, in.Namespace+"/"+in.Name
		}
	}
	if count == 0 || c.WithoutClass {
		return nil
	}
	return finding(CodeWithoutClass, ir.SeverityNotice, "ingresses", "without a class and so not served: %d, such as %s; write spec.ingressClassName, or start with --watch-ingress-without-class", count, one)
}

func (c Cluster) unread() []ir.Problem {
	var list []ir.Problem
	for _, u := range c.Unread {
		list = append(list, finding(CodeUnread, ir.SeverityNotice, u.Resource, "not looked at (%s): run the check with rights to list %s in all namespaces to learn of other controllers", u.Why, u.Resource)...)
	}
	return list
}

// finding is one problem of the cluster as a whole.
func finding(code string, severity ir.Severity, field, format string, args ...any) []ir.Problem {
	return []ir.Problem{{Code: code, Severity: severity, Field: field, Message: fmt.Sprintf(format, args...)}}
}
