package manifest

import (
	"net/netip"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"daemun/internal/store"
)

// ingressForm is the union of all Ingress versions, because tutorials mix
// them: serviceName and servicePort below a v1 apiVersion and the reverse.
type ingressForm struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		IngressClassName *string                   `json:"ingressClassName"`
		DefaultBackend   *backendForm              `json:"defaultBackend"`
		Backend          *backendForm              `json:"backend"`
		TLS              []networkingv1.IngressTLS `json:"tls"`
		Rules            []ruleForm                `json:"rules"`
	} `json:"spec"`
	Status networkingv1.IngressStatus `json:"status"`
}

type ruleForm struct {
	Host string `json:"host"`
	HTTP *struct {
		Paths []pathForm `json:"paths"`
	} `json:"http"`
}

type pathForm struct {
	Path     string                 `json:"path"`
	PathType *networkingv1.PathType `json:"pathType"`
	Backend  backendForm            `json:"backend"`
}

type backendForm struct {
	Service     *networkingv1.IngressServiceBackend `json:"service"`
	Resource    *corev1.TypedLocalObjectReference   `json:"resource"`
	ServiceName string                              `json:"serviceName"`
	ServicePort *intstr.IntOrString                 `json:"servicePort"`
}

func decodeIngress(d *decoder, n *yaml.Node) store.Object {
	var form ingressForm
	d.value(n, reflect.ValueOf(&form).Elem())
	out := &networkingv1.Ingress{ObjectMeta: form.ObjectMeta, Status: form.Status}
	out.Spec.IngressClassName, out.Spec.TLS = form.Spec.IngressClassName, form.Spec.TLS
	if form.Spec.DefaultBackend == nil {
		form.Spec.DefaultBackend = form.Spec.Backend
	}
	if b := form.Spec.DefaultBackend; b != nil {
		converted := b.convert()
		out.Spec.DefaultBackend = &converted
	}
	for _, r := range form.Spec.Rules {
		rule := networkingv1.IngressRule{Host: r.Host}
		if r.HTTP != nil {
			rule.HTTP = &networkingv1.HTTPIngressRuleValue{}
			for _, p := range r.HTTP.Paths {
				rule.HTTP.Paths = append(rule.HTTP.Paths, networkingv1.HTTPIngressPath{Path: p.Path, PathType: p.PathType, Backend: p.Backend.convert()})
			}
		}
		out.Spec.Rules = append(out.Spec.Rules, rule)
	}
	return out
}

// convert prefers the v1 shape; what contradicts it is found by oldBackend.
func (b backendForm) convert() networkingv1.IngressBackend {
	out := networkingv1.IngressBackend{Service: b.Service, Resource: b.Resource}
	if b.ServiceName == "" && b.ServicePort == nil || b.Service != nil {
		return out
	}
	out.Service = &networkingv1.IngressServiceBackend{Name: b.ServiceName}
	switch {
	case b.ServicePort == nil:
	case b.ServicePort.Type == intstr.Int:
		out.Service.Port.Number = b.ServicePort.IntVal
	default:
		out.Service.Port.Name = b.ServicePort.StrVal
	}
	return out
}

func finishIngress(c *checker, o *networkingv1.Ingress) {
	before := len(c.faults)
	if c.oldIngress(o); len(c.faults) > before {
		return
	}
	if name := o.Spec.IngressClassName; name != nil && *name != "" {
		c.valid("spec.ingressClassName", *name, validation.IsDNS1123Subdomain)
	}
	if len(o.Spec.Rules) == 0 && o.Spec.DefaultBackend == nil {
		c.missing("spec", "has neither rules nor defaultBackend: write at least one of them")
	}
	if b := o.Spec.DefaultBackend; b != nil {
		field := "spec.defaultBackend"
		if child(child(c.root, "spec"), "defaultBackend") == nil {
			field = "spec.backend"
		}
		c.ingressBackend(field, *b)
	}
	for i := range o.Spec.Rules {
		c.ingressRule(at("spec", "rules", i), &o.Spec.Rules[i])
	}
	for i, t := range o.Spec.TLS {
		for j, host := range t.Hosts {
			c.ingressHost(at(at("spec", "tls", i), "hosts", j), host)
		}
		if t.SecretName != "" {
			c.valid(sub(at("spec", "tls", i), "secretName"), t.SecretName, validation.IsDNS1123Subdomain)
		}
	}
}

// oldIngress finds old fields below any apiVersion.
func (c *checker) oldIngress(o *networkingv1.Ingress) {
	spec := child(c.root, "spec")
	if child(spec, "backend") != nil {
		if child(spec, "defaultBackend") != nil {
			c.invalid("spec.backend", "is the old name of defaultBackend: keep only defaultBackend")
			return
		}
		c.notice("spec.backend", CodeOldForm, "is an old form, read as defaultBackend: write defaultBackend")
		c.oldBackend("spec.backend")
	}
	c.oldBackend("spec.defaultBackend")
	for i, r := range o.Spec.Rules {
		if r.HTTP == nil {
			continue
		}
		for j := range r.HTTP.Paths {
			c.oldBackend(sub(at(sub(at("spec", "rules", i), "http"), "paths", j), "backend"))
		}
	}
}

func (c *checker) oldBackend(field string) {
	n := find(c.root, field)
	if child(n, "serviceName") == nil && child(n, "servicePort") == nil {
		return
	}
	if child(n, "service") != nil {
		c.invalid(field, "has service and serviceName or servicePort: keep only service (name, port)")
		return
	}
	if !c.old { // the whole object has a notice otherwise
		c.notice(field, CodeOldForm, "serviceName and servicePort are an old form, read as service: write service: {name: %s, port: …}", scalarAt(n, "serviceName"))
	}
}

func (c *checker) ingressRule(field string, r *networkingv1.IngressRule) {
	if r.Host != "" {
		c.ingressHost(sub(field, "host"), r.Host)
	}
	if r.HTTP == nil {
		return
	}
	if len(r.HTTP.Paths) == 0 {
		c.missing(sub(field, "http.paths"), "is empty: write at least one path")
	}
	for i := range r.HTTP.Paths {
		c.ingressPath(at(sub(field, "http"), "paths", i), &r.HTTP.Paths[i])
	}
}

func (c *checker) ingressHost(field, host string) {
	name := strings.TrimPrefix(host, "*.")
	if _, err := netip.ParseAddr(host); err == nil {
		c.invalid(field, "%q is an IP address: write a DNS name, or leave host out to match every name", host)
		return
	}
	switch {
	case strings.Contains(host, "://"):
		c.invalid(field, "%q is a URL: write only the host name, without scheme and path", host)
	case strings.Contains(host, ":"):
		c.invalid(field, "%q has a port: write only the host name", host)
	case strings.Contains(host, "/"):
		c.invalid(field, "%q has a path: write only the host name, and the path below http.paths", host)
	case host != strings.ToLower(host) && len(validation.IsDNS1123Subdomain(strings.ToLower(name))) == 0:
		c.invalid(field, "%q has capital letters: write %q", host, strings.ToLower(host))
	case strings.Contains(name, "*"):
		c.invalid(field, `%q is not allowed: "*" stands only for the whole first label, as in *.example.com`, host)
	default:
		c.valid(field, name, validation.IsDNS1123Subdomain)
	}
}

func (c *checker) ingressPath(field string, p *networkingv1.HTTPIngressPath) {
	pathField := sub(field, "path")
	if p.PathType == nil {
		if !c.old {
			c.notice(field, CodeDefaulted, "pathType is missing, read as ImplementationSpecific: write Exact, Prefix or ImplementationSpecific")
		}
		t := networkingv1.PathTypeImplementationSpecific
		p.PathType = &t
	}
	oneOf(c, sub(field, "pathType"), *p.PathType, networkingv1.PathTypeExact, networkingv1.PathTypePrefix, networkingv1.PathTypeImplementationSpecific)
	strict := *p.PathType != networkingv1.PathTypeImplementationSpecific
	if !strings.HasPrefix(p.Path, "/") && (strict || p.Path != "") {
		c.invalid(pathField, `%q must begin with "/": write %q`, p.Path, "/"+p.Path)
	}
	if strict {
		c.literalPath(pathField, p.Path)
	}
	c.ingressBackend(sub(field, "backend"), p.Backend)
}

// literalPath refuses what the API server refuses in Exact and Prefix paths.
func (c *checker) literalPath(field, path string) {
	for _, bad := range []string{"//", "/./", "/../", "%2f", "%2F"} {
		if strings.Contains(path, bad) {
			c.invalid(field, "%q must not contain %q", path, bad)
		}
	}
	for _, bad := range []string{"/..", "/."} {
		if strings.HasSuffix(path, bad) {
			c.invalid(field, "%q must not end with %q", path, bad)
		}
	}
}

func (c *checker) ingressBackend(field string, b networkingv1.IngressBackend) {
	switch {
	case b.Service != nil && b.Resource != nil:
		c.invalid(field, "has service and resource: keep exactly one")
	case b.Resource != nil:
		if b.Resource.Kind == "" || b.Resource.Name == "" {
			c.missing(sub(field, "resource"), "wants kind and name")
		}
	case b.Service == nil:
		c.missing(field, "is empty: write service: {name: …, port: {number: …}}")
	default:
		c.serviceBackend(field, *b.Service)
	}
}

func (c *checker) serviceBackend(field string, s networkingv1.IngressServiceBackend) {
	name, port := sub(field, "service.name"), sub(field, "service.port")
	if s.Name == "" {
		c.missing(name, "is missing: write the name of a Service")
	} else {
		c.valid(name, s.Name, validation.IsDNS1123Label)
	}
	switch {
	case s.Port.Name != "" && s.Port.Number != 0:
		c.invalid(port, "has name and number: keep exactly one")
	case s.Port.Name != "":
		c.portRef(sub(port, "name"), intstr.FromString(s.Port.Name))
	case s.Port.Number == 0 && child(find(c.root, port), "number") == nil && child(find(c.root, field), "servicePort") == nil:
		c.missing(port, "is missing: write number (or name) of the Service's port")
	default:
		c.port(sub(port, "number"), s.Port.Number)
	}
}

func finishIngressClass(c *checker, o *networkingv1.IngressClass) {
	if o.Spec.Controller == "" {
		c.missing("spec.controller", "is missing: write for example k8s.io/ingress-nginx")
	}
}
