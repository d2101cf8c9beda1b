package manifest

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"daemun/internal/ir"
	"daemun/internal/nearest"
	"daemun/internal/store"
)

// kind is one kind that Daemun uses.
type kind struct {
	name string
	// version is the apiVersion of the object's type; old ones have the same
	// shape, or are converted by make.
	version     string
	old         []string
	clusterWide bool
	// make decodes, and returns an object without defaults.
	make func(d *decoder, n *yaml.Node) store.Object
	// finish applies defaults and validates.
	finish func(c *checker, o store.Object)
}

func kindOf[T any, P interface {
	*T
	store.Object
}](name, version string, finish func(*checker, P), old ...string) kind {
	return kind{
		name: name, version: version, old: old,
		make: func(d *decoder, n *yaml.Node) store.Object {
			o := P(new(T))
			d.value(n, reflect.ValueOf(o).Elem())
			return o
		},
		finish: func(c *checker, o store.Object) { finish(c, o.(P)) },
	}
}

func (k kind) wide() kind { k.clusterWide = true; return k }

// kinds lists everything that is read. Kinds outside are counted and named.
func kinds() []kind {
	const apps, net = "apps/v1", "networking.k8s.io/v1"
	const ext, netBeta = "extensions/v1beta1", "networking.k8s.io/v1beta1"
	ingress := kindOf("Ingress", net, finishIngress, ext, netBeta)
	ingress.make = decodeIngress
	return []kind{
		ingress,
		kindOf[networkingv1.IngressClass]("IngressClass", net, finishIngressClass, netBeta).wide(),
		kindOf[corev1.Service]("Service", "v1", finishService),
		kindOf[corev1.Endpoints]("Endpoints", "v1", finishEndpoints),
		kindOf[discoveryv1.EndpointSlice]("EndpointSlice", "discovery.k8s.io/v1", finishEndpointSlice),
		kindOf[corev1.Secret]("Secret", "v1", finishSecret),
		kindOf[corev1.ConfigMap]("ConfigMap", "v1", finishConfigMap),
		kindOf[corev1.Namespace]("Namespace", "v1", finishNamespace).wide(),
		kindOf[corev1.Node]("Node", "v1", finishNode).wide(),
		kindOf[corev1.Pod]("Pod", "v1", finishPod),
		kindOf[appsv1.Deployment]("Deployment", apps, finishDeployment, ext, "apps/v1beta1", "apps/v1beta2"),
		kindOf[appsv1.ReplicaSet]("ReplicaSet", apps, finishReplicaSet, ext, "apps/v1beta2"),
		kindOf[appsv1.StatefulSet]("StatefulSet", apps, finishStatefulSet, "apps/v1beta1", "apps/v1beta2"),
		kindOf[appsv1.DaemonSet]("DaemonSet", apps, finishDaemonSet, ext, "apps/v1beta2"),
		kindOf[batchv1.Job]("Job", "batch/v1", finishJob),
	}
}

// object is one object as a file defines it. It is never written after it was
// made.
type object struct {
	key store.Key
	obj store.Object
	at  Position
	// doc and item lead back to the source: item is the path inside a List.
	doc  *document
	item string
}

// reader turns one file's documents into objects and problems.
type reader struct {
	schema   types
	kinds    []kind
	path     string
	objects  []*object
	problems []ir.Problem
	unused   map[string]int
	// broken are the keys of objects that are wrong; unknown says that some
	// document could not be read as far as its key.
	broken  map[store.Key]bool
	unknown bool
	// budget is how many list entries the document may still have: one per
	// byte is plenty for honest ones, and ends lists that hold themselves.
	budget int
}

// item is one object under way, possibly inside a List.
type item struct {
	doc  *document
	node *yaml.Node
	path string
	ref  ir.Ref
}

func (r *reader) problem(doc *document, n *yaml.Node, p ir.Problem) {
	p.File, p.Line, p.Column = r.path, doc.line, 1
	if n != nil {
		p.Line, p.Column = doc.line+max(n.Line, 1)-1, max(n.Column, 1)
	}
	if p.Severity == "" {
		p.Severity = ir.SeverityError
	}
	r.problems = append(r.problems, p)
}

func (r *reader) document(doc document) {
	if len(doc.raw) > maxDocument {
		r.unknown = true
		r.problem(&doc, nil, ir.Problem{Code: CodeTooLarge, Message: fmt.Sprintf("this document has %d bytes: at most %d (3 MiB) are read, as by an API server; split it with ---", len(doc.raw), maxDocument)})
		return
	}
	root, err := doc.parse()
	if err != nil {
		r.unknown = true
		line, message := doc.syntaxError(err)
		p := ir.Problem{Code: CodeSyntax, Severity: ir.SeverityError, File: r.path, Line: line, Column: 1, Message: message}
		if templateMark.Match(doc.raw) {
			p.Code, p.Message = CodeTemplate, templateHint
		}
		r.problems = append(r.problems, p)
		return
	}
	if isNull(root) {
		return
	}
	before := len(r.problems)
	r.budget = len(doc.raw)
	r.item(item{doc: &doc, node: root})
	if !templateMark.Match(doc.raw) {
		return
	}
	for _, p := range r.problems[before:] {
		if p.Severity == ir.SeverityError {
			p.Code, p.Field, p.Message = CodeTemplate, "", templateHint
			r.problems = append(r.problems[:before], p)
			return
		}
	}
}

const templateHint = "this is a Helm template: render it first (helm template … | daemun up -)"

func (r *reader) item(it item) {
	if it.node.Kind == yaml.AliasNode {
		it.node = it.node.Alias
	}
	if it.node.Kind != yaml.MappingNode {
		r.unknown = true
		r.problem(it.doc, it.node, ir.Problem{
			Code: CodeNotAnObject, Severity: ir.SeverityWarning, Field: it.path,
			Message: "not a Kubernetes object (no apiVersion and kind), found " + describe(it.node) + ": left out",
		})
		return
	}
	version, name := scalarAt(it.node, "apiVersion"), scalarAt(it.node, "kind")
	it.ref = ir.Ref{Kind: name, Namespace: scalarAt(child(it.node, "metadata"), "namespace"), Name: scalarAt(child(it.node, "metadata"), "name")}
	if r.list(it, version, name) {
		return
	}
	k, ok := r.choose(it, version, name)
	if !ok {
		return
	}
	r.object(it, k, version)
}

// list reads kind List and the typed lists that "kubectl get -o yaml" and the
// API print.
func (r *reader) list(it item, version, name string) bool {
	items := child(it.node, "items")
	if !strings.HasSuffix(name, "List") || items == nil && name != "List" {
		return false
	}
	if items != nil && items.Kind == yaml.AliasNode {
		items = items.Alias
	}
	if items == nil || isNull(items) {
		return true
	}
	if items.Kind != yaml.SequenceNode || strings.Count(it.path, "items") > 4 {
		r.unknown = true
		r.problem(it.doc, items, ir.Problem{Code: CodeWrongType, Object: it.ref, Field: "items", Message: "wants a list of objects, found " + describe(items)})
		return true
	}
	for i, n := range items.Content {
		if r.budget--; r.budget < 0 {
			break
		}
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		sub := item{doc: it.doc, node: n, path: it.path + "items[" + strconv.Itoa(i) + "]."}
		if typed := strings.TrimSuffix(name, "List"); typed != "" && n.Kind == yaml.MappingNode && child(n, "kind") == nil {
			// The entries of typed lists do not repeat kind and apiVersion.
			n = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: n.Line, Column: n.Column, Content: slices.Concat(n.Content, []*yaml.Node{textNode("kind", n), textNode(typed, n)})}
			if child(n, "apiVersion") == nil {
				n.Content = append(n.Content, textNode("apiVersion", n), textNode(version, n))
			}
			sub.node = n
		}
		r.item(sub)
	}
	return true
}

func textNode(value string, at *yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: value, Line: at.Line, Column: at.Column}
}

// choose finds the kind of an object, or says why there is none.
func (r *reader) choose(it item, version, name string) (kind, bool) {
	wrong := func(field, format string, args ...any) (kind, bool) {
		r.unknown = true
		at := child(it.node, field)
		if at == nil {
			at = it.node
		}
		r.problem(it.doc, at, ir.Problem{Code: CodeUnknownVersion, Object: it.ref, Field: field, Message: fmt.Sprintf(format, args...)})
		return kind{}, false
	}
	if version == "" && name == "" {
		r.unknown = true
		r.problem(it.doc, it.node, ir.Problem{Code: CodeNotAnObject, Severity: ir.SeverityWarning, Message: "not a Kubernetes object (no apiVersion and kind): left out"})
		return kind{}, false
	}
	i := slices.IndexFunc(r.kinds, func(k kind) bool { return k.name == name })
	switch {
	case name == "":
		return wrong("kind", "is missing: say what this object is, for example kind: Service")
	case i < 0 && ownGroup(version):
		names := []string{}
		for _, k := range r.kinds {
			names = append(names, k.name)
		}
		if best := nearest.Name(name, names); best != "" && nearest.Distance(name, best) <= 2 {
			return wrong("kind", "%s does not exist: did you mean %s?", name, best)
		}
	case i < 0:
	case version == "":
		return wrong("apiVersion", "is missing: write apiVersion: %s", r.kinds[i].version)
	case version == r.kinds[i].version || slices.Contains(r.kinds[i].old, version):
		return r.kinds[i], true
	case ownGroup(version):
		return wrong("apiVersion", "%s has no kind %s: write apiVersion: %s", version, name, r.kinds[i].version)
	}
	if strings.HasPrefix(version, "kustomize.config.k8s.io/") {
		r.problem(it.doc, it.node, ir.Problem{Code: CodeSkippedFile, Severity: ir.SeverityNotice, Message: kustomizeHint})
		return kind{}, false
	}
	if i >= 0 { // another project's kind of the same name
		name += "." + strings.Split(version, "/")[0]
	}
	r.unused[name]++
	return kind{}, false
}

const kustomizeHint = "kustomizations are not built: run kustomize build | daemun up -"

// ownGroup reports whether an apiVersion belongs to a group that has kinds
// Daemun uses.
func ownGroup(version string) bool {
	group, v, ok := strings.Cut(version, "/")
	if !ok {
		return strings.HasPrefix(group, "v")
	}
	_ = v
	return slices.Contains([]string{"apps", "batch", "extensions", "networking.k8s.io", "discovery.k8s.io", "core"}, group)
}

// object decodes, completes and checks one object.
func (r *reader) object(it item, k kind, version string) {
	d := &decoder{schema: r.schema, budget: len(it.doc.raw) + aliasBudget}
	o := k.make(d, it.node)
	c := &checker{root: it.node, faults: d.faults, decoded: len(d.faults) == 0, old: version != k.version}
	c.meta(k, o)
	key := store.Key{Kind: k.name, Namespace: o.GetNamespace(), Name: o.GetName()}
	it.ref = ir.Ref(key)
	o.GetObjectKind().SetGroupVersionKind(groupVersionKind(k))
	if c.decoded {
		k.finish(c, o)
		if version != k.version {
			c.notice("apiVersion", CodeOldForm, "%s is an old form, read as %s: write apiVersion: %s", version, k.version, k.version)
		}
	}
	for _, f := range c.faults {
		r.problem(it.doc, f.node, ir.Problem{Code: f.code, Object: it.ref, Field: f.field, Message: f.message})
	}
	if len(c.faults) > 0 {
		if key.Name == "" {
			r.unknown = true
		} else {
			r.broken[key] = true
		}
		return
	}
	for _, f := range c.notices {
		r.problem(it.doc, f.node, ir.Problem{Code: f.code, Severity: ir.SeverityNotice, Object: it.ref, Field: f.field, Message: f.message})
	}
	r.objects = append(r.objects, &object{
		key: key, obj: o, doc: it.doc, item: it.path,
		at: Position{r.path, it.doc.line + it.node.Line - 1, it.node.Column},
	})
}
