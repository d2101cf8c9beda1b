package translate

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"daemun/internal/annotation"
	"daemun/internal/ir"
	"daemun/internal/snippet"
	"daemun/internal/store"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// ingress is a compiled Ingress: a function of the object, of our classes, and
// of the Services, Secrets and ConfigMaps it refers to. It is not written after compile,
// except for listed, ordered and part.block.
type ingress struct {
	// seen is the object in the view; used is the one that was compiled, nil
	// if none can be: the last good version where seen is rejected.
	seen, used *networkingv1.Ingress
	ours       bool
	// listed and ordered: it is in the translator's lists.
	listed, ordered bool

	name    store.Name
	key     string // namespace/name
	ref     ir.Ref
	created int64 // nanoseconds since 1970
	values  *annotation.Values
	denied  int

	services   []serviceUse
	secrets    []secretUse
	configMaps []configMapUse
	tls        []tlsEntry
	// upstreamTLS is how TLS is spoken to backends, nil for the usual way;
	// upstreamTLSPrint tells it from others.
	upstreamTLS      *ir.BackendTLS
	upstreamTLSPrint string
	// clientAuth is what the Ingress wants of the certificates of clients.
	clientAuth *ir.ClientAuth
	// authTo and mirrorTo are where auth-url and mirror-target lead.
	authTo, mirrorTo ir.Backend
	// onRoute and onHost are its snippets; nil when absent.
	onRoute, onHost *snippet.Block
	// fallback is the backend of the default-backend annotation.
	fallback ir.Backend
	// standard is spec.defaultBackend.
	standard destination
	parts    []*part
	problems []ir.Problem
}

// part is what an Ingress adds to one host, in the order of its rules.
type part struct {
	ingress *ingress
	host    string
	paths   []path
	// catchAll: the Ingress has no rules, only a default backend.
	catchAll bool

	// block caches where the part goes.
	block *host
}

// path is one usable path of a rule.
type path struct {
	text    string
	exact   bool
	written string // the path type
	field   string
	to      destination
}

// destination is a backend as written and as resolved. The zero value is the
// built-in 404 server.
type destination struct {
	service, port string
	// h2c: the Service port asks for HTTP/2 in cleartext.
	h2c     bool
	backend ir.Backend
}

type serviceUse struct {
	name   store.Name
	object *corev1.Service
}

type secretUse struct {
	name   store.Name
	object *corev1.Secret
}

type configMapUse struct {
	name   store.Name
	object *corev1.ConfigMap
}

// tlsEntry is one entry of spec.tls.
type tlsEntry struct {
	hosts       []string
	certificate *ir.Certificate // nil: none or unusable
}

// fresh reports whether what the Ingress was compiled from is still there.
func (in *ingress) fresh(v *store.View, same unchanged) bool {
	if !same.classes || !same.settings {
		return false
	}
	if !same.services {
		for _, u := range in.services {
			if v.Services[u.name] != u.object {
				return false
			}
		}
	}
	if !same.secrets {
		for _, u := range in.secrets {
			if v.Secrets[u.name] != u.object {
				return false
			}
		}
	}
	if !same.configMaps {
		for _, u := range in.configMaps {
			if v.ConfigMaps[u.name] != u.object {
				return false
			}
		}
	}
	return true
}

// uses yields the objects that fresh looks at.
func (in *ingress) uses(yield func(store.Key) bool) {
	for _, u := range in.services {
		if !yield(store.Key{Kind: "Service", Namespace: u.name.Namespace, Name: u.name.Name}) {
			return
		}
	}
	for _, u := range in.secrets {
		if !yield(store.Key{Kind: "Secret", Namespace: u.name.Namespace, Name: u.name.Name}) {
			return
		}
	}
	for _, u := range in.configMaps {
		if !yield(store.Key{Kind: "ConfigMap", Namespace: u.name.Namespace, Name: u.name.Name}) {
			return
		}
	}
}

// compilation is the compilation of one Ingress.
type compilation struct {
	*ingress
	t *Translator
	v *store.View
}

// compile returns what object means. prev is the previous result for the same
// name, or nil.
func (t *Translator) compile(v *store.View, object *networkingv1.Ingress, prev *ingress) *ingress {
	in := t.compileUnsorted(v, object, prev)
	slices.SortFunc(in.problems, ir.Problem.Compare)
	return in
}

func (t *Translator) compileUnsorted(v *store.View, object *networkingv1.Ingress, prev *ingress) *ingress {
	in := &ingress{seen: object, name: store.NameOf(object), ref: refOf(object)}
	in.key = object.Namespace + "/" + object.Name
	in.ours = t.classes.ours(object, &t.options)
	if !in.ours {
		in.problems = t.classes.missing(object)
		return in
	}
	var parsed annotation.Result
	if in.problems = t.gate(object); len(in.problems) == 0 {
		parsed = t.parse(in, object.Annotations)
		in.problems = append(parsed.Problems, otherPrefix(&t.options, object)...)
		if !parsed.Rejected || parsed.OnlyRealm && t.realmIsNotRead(v, in, &parsed) {
			in.used = object
		}
	}
	if in.used == nil {
		if in.used = t.lastGood(object, prev, in.problems); in.used == nil {
			in.created = createdAt(object)
			return in
		}
		parsed = t.parse(in, in.used.Annotations)
		in.problems = append(in.problems, ir.Problem{
			Code: CodeKept, Severity: ir.SeverityWarning, Object: in.ref,
			Message: "the last good version of this Ingress stays in service until the annotations are right or the Ingress is deleted",
		})
	}
	in.created = createdAt(in.used)
	in.values = &parsed.Values
	if parsed.Denied || t.settings.values.Denied {
		in.denied = 503
	}
	c := compilation{ingress: in, t: t, v: v}
	defer func() { in.values.Draft = nil }() // policies by now
	if in.values.Canary != nil {
		// Its other annotations are those of the main Ingress.
		c.compileRules()
		return in
	}
	c.compileReferences()
	c.compilePassthrough()
	c.compileSnippets()
	c.tellLeftOut()
	c.checkTracing()
	c.compileFirewall()
	c.shareValues()
	c.compileFallback()
	c.compileRules()
	c.checkNested()
	c.compileTLS()
	return in
}

func createdAt(object *networkingv1.Ingress) int64 {
	if object.CreationTimestamp.IsZero() {
		return math.MinInt64
	}
	return object.CreationTimestamp.UnixNano()
}

func (c *compilation) report(code string, severity ir.Severity, field, format string, args ...any) {
	c.problems = append(c.problems, ir.Problem{
		Code: code, Severity: severity, Object: c.ref, Field: field, Message: fmt.Sprintf(format, args...),
	})
}

// service looks a Service of the namespace up (H10.1) and remembers the use.
func (c *compilation) service(name string) *corev1.Service {
	full := store.Name{Namespace: c.name.Namespace, Name: name}
	object := c.v.Services[full]
	c.services = append(c.services, serviceUse{full, object})
	return object
}

// compileFallback resolves the default-backend annotation: the first port of
// the Service. A missing Service disables it (ingress-nginx §1.6).
func (c *compilation) compileFallback() {
	name := c.values.DefaultBackend
	if name == "" {
		return
	}
	field := annotation.Field(c.t.options.AnnotationsPrefix + "/default-backend")
	b, problem := firstPort(c.service(name), store.Name{Namespace: c.name.Namespace, Name: name})
	if problem != "" {
		c.report(CodeFallback, ir.SeverityWarning, field, "%s; the annotation is ignored", problem)
		return
	}
	c.fallback = b
}

// compileRules makes the parts.
func (c *compilation) compileRules() {
	spec := &c.used.Spec
	if spec.DefaultBackend != nil {
		if to, ok := c.destination("spec.defaultBackend", spec.DefaultBackend); ok {
			c.standard = to
		}
	}
	if len(spec.Rules) == 0 {
		if c.standard.service != "" {
			c.parts = []*part{{ingress: c.ingress, catchAll: true}}
		} else if spec.DefaultBackend == nil {
			c.report(CodeEmpty, ir.SeverityWarning, "spec", "the Ingress has neither rules nor a defaultBackend, so that it does nothing")
		}
		return
	}
	for i := range spec.Rules {
		rule := &spec.Rules[i]
		name := ""
		if rule.Host != "" {
			var ok bool
			if name, ok = hostName(rule.Host); !ok {
				c.report(CodeHost, ir.SeverityError, fmt.Sprintf("spec.rules[%d].host", i),
					"%q is not a DNS name; write one such as shop.example.com or *.example.com; the rule is left out", rule.Host)
				continue
			}
		}
		p := c.part(name)
		if rule.HTTP != nil {
			c.compilePaths(p, i, rule.HTTP.Paths)
		}
	}
}

// part returns the part for a host, the same one for several rules.
func (c *compilation) part(host string) *part {
	for _, p := range c.parts {
		if p.host == host {
			return p
		}
	}
	p := &part{ingress: c.ingress, host: host}
	c.parts = append(c.parts, p)
	return p
}

func pathField(rule, i int) string {
	return "spec.rules[" + strconv.Itoa(rule) + "].http.paths[" + strconv.Itoa(i) + "]"
}

func (c *compilation) compilePaths(p *part, rule int, paths []networkingv1.HTTPIngressPath) {
	for i := range paths {
		written := &paths[i]
		field := pathField(rule, i)
		compiled := path{text: written.Path, field: field}
		if compiled.text == "" {
			compiled.text = "/"
		}
		if wrong := checkPath(compiled.text); wrong != "" {
			c.report(CodePath, ir.SeverityError, field+".path", "%.80q %s; the path is left out", compiled.text, wrong)
			continue
		}
		if written.PathType != nil {
			compiled.written = string(*written.PathType)
		}
		switch networkingv1.PathType(compiled.written) {
		case networkingv1.PathTypeExact:
			compiled.exact = true
		case networkingv1.PathTypePrefix, networkingv1.PathTypeImplementationSpecific, "":
		default:
			c.report(CodePathType, ir.SeverityError, field+".pathType",
				"%q is not a path type; write Exact, Prefix or ImplementationSpecific; the path is left out", compiled.written)
			continue
		}
		if c.t.settings.values.StrictPathType && written.PathType != nil && !fitsPathType(written.Path, *written.PathType) {
			c.report(CodePathCharacters, ir.SeverityWarning, field+".path", badPathCharacters, written.Path, *written.PathType)
		}
		to, ok := c.destination(field+".backend", &written.Backend)
		if !ok {
			continue
		}
		compiled.to = to
		p.paths = append(p.paths, compiled)
	}
}

// appProtocolH2C is what Kubernetes calls HTTP/2 with prior knowledge.
const appProtocolH2C = "kubernetes.io/h2c"

// destination resolves a backend; ok is false when it names no Service. A
// Service or port that does not exist keeps its backend, which then has no
// endpoints: its routes answer 503.
func (c *compilation) destination(field string, b *networkingv1.IngressBackend) (destination, bool) {
	if b.Service == nil {
		c.report(CodeResource, ir.SeverityError, field, "only Service backends are served: write service.name and service.port; the backend is left out")
		return destination{}, false
	}
	to := destination{service: b.Service.Name, port: b.Service.Port.Name}
	portField := field + ".service.port.name"
	if to.port == "" {
		to.port = strconv.Itoa(int(b.Service.Port.Number))
		portField = field + ".service.port.number"
	}
	object := c.service(to.service)
	port := to.port
	switch sp, ok := servicePort(object, to.port); {
	case object == nil:
		c.report(CodeNoService, ir.SeverityError, field+".service.name",
			"there is no Service %q in namespace %q; requests get 503 until it exists", to.service, c.name.Namespace)
	case !ok:
		c.report(CodeNoPort, ir.SeverityError, portField,
			"Service %q has no TCP port %q (it has %s); requests get 503", to.service, to.port, portList(object))
	default:
		port = strconv.Itoa(int(sp.Port))
		if object.Spec.Type == corev1.ServiceTypeExternalName && c.t.options.DisableExternalName {
			c.report(CodeExternalNameOff, ir.SeverityError, field+".service.name",
				"Service %q has an external name, which is not allowed here (--disable-svc-external-name); requests get 503", to.service)
			port = noPort
			break
		}
		to.h2c = sp.AppProtocol != nil && *sp.AppProtocol == appProtocolH2C
		if object.Spec.Type == corev1.ServiceTypeExternalName {
			if wrong := checkExternalName(object.Spec.ExternalName); wrong != "" {
				c.report(CodeExternalName, ir.SeverityError, field+".service.name",
					"the externalName %q of Service %q %s; requests get 503", object.Spec.ExternalName, to.service, wrong)
			}
		}
	}
	to.backend = backendOf(store.Name{Namespace: c.name.Namespace, Name: to.service}, port)
	return to, true
}

// compileTLS finds the certificates that spec.tls names and says what is wrong
// with them (ingress-nginx §4.3, H7.8).
func (c *compilation) compileTLS() {
	for i := range c.used.Spec.TLS {
		written := &c.used.Spec.TLS[i]
		entry := tlsEntry{}
		for _, h := range written.Hosts {
			entry.hosts = append(entry.hosts, strings.ToLower(strings.TrimSuffix(h, ".")))
		}
		if written.SecretName != "" {
			entry.certificate = c.secret(fmt.Sprintf("spec.tls[%d].secretName", i), written.SecretName)
		}
		c.tls = append(c.tls, entry)
		if entry.certificate == nil {
			continue
		}
		for j, h := range entry.hosts {
			if c.hasHost(h) && !covers(entry.certificate.Names, h) {
				c.report(CodeNotCovered, ir.SeverityWarning, fmt.Sprintf("spec.tls[%d].hosts[%d]", i, j),
					"the certificate in Secret %q is for %q, not for %s; the default certificate is served instead",
					written.SecretName, strings.Join(entry.certificate.Names, ", "), h)
			}
		}
	}
}

func (c *compilation) hasHost(name string) bool {
	for _, p := range c.parts {
		if p.host == name {
			return true
		}
	}
	return false
}

func (c *compilation) secret(field, name string) *ir.Certificate {
	full := store.Name{Namespace: c.name.Namespace, Name: name}
	object := c.v.Secrets[full]
	c.secrets = append(c.secrets, secretUse{full, object})
	if object == nil {
		c.report(CodeNoSecret, ir.SeverityError, field,
			"there is no Secret %q in namespace %q; the default certificate is served until it exists", name, c.name.Namespace)
		return nil
	}
	found := c.t.certificate(full, object)
	if found.problem != "" {
		instead := "the default certificate is served"
		if found.usable != nil {
			instead = "the last good certificate stays in service"
		}
		c.report(found.code, ir.SeverityError, field, "Secret %q: %s; %s", name, found.problem, instead)
	}
	return found.usable
}

// certificatesFor returns the certificates that spec.tls of this Ingress gives
// to a host: those of every entry that lists it, else the first that covers it.
func (in *ingress) certificatesFor(host string) []*ir.Certificate {
	var found []*ir.Certificate
	listed := false
	for i := range in.tls {
		entry := &in.tls[i]
		for _, h := range entry.hosts {
			if h != host {
				continue
			}
			listed = true
			if entry.certificate != nil && covers(entry.certificate.Names, host) {
				found = append(found, entry.certificate)
			}
			break
		}
	}
	if listed {
		return found
	}
	for i := range in.tls {
		if cert := in.tls[i].certificate; cert != nil && covers(cert.Names, host) {
			return []*ir.Certificate{cert}
		}
	}
	return nil
}
