package fix

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// meant reads the one near name out of the sentence of a problem.
var meant = regexp.MustCompile(`did you mean (\S+?)\?`)

// rename gives a key the name that was meant.
func rename(d *draft, c candidate) bool {
	m := meant.FindStringSubmatch(c.problem.Message)
	if m == nil {
		return false
	}
	old := lastName(c.problem.Field)
	key, siblings := keyAt(d.root, c.problem.Line, c.problem.Column, old)
	if key == nil || pair(siblings, m[1]) >= 0 {
		return false // both names are there: which one counts is not for us to say
	}
	d.token(key, m[1])
	key.Value = m[1]
	return true
}

// lastName is the last step of a field path.
func lastName(path string) string {
	if i := strings.LastIndexByte(path, '['); i >= 0 && strings.HasSuffix(path, "]") {
		return path[i+1 : len(path)-1]
	}
	return path[strings.LastIndexByte(path, '.')+1:]
}

// keyAt finds the key with this name that is at a place, or whose value is.
func keyAt(n *yaml.Node, line, column int, name string) (key, siblings *yaml.Node) {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			k, v := n.Content[i], n.Content[i+1]
			if k.Value == name && (k.Line == line && k.Column == column || v.Line == line && v.Column == column) {
				return k, n
			}
		}
	}
	for _, child := range n.Content {
		if key, siblings = keyAt(child, line, column, name); key != nil {
			return key, siblings
		}
	}
	return nil, nil
}

const presentIngress = "networking.k8s.io/v1"

// toVersion reads the version that an object should have.
var toVersion = regexp.MustCompile(`write apiVersion: (\S+)`)

// present writes an object in the present form. An Ingress changes as a whole,
// with the first of its problems; of other kinds only the version does.
func present(d *draft, c candidate) bool {
	version := field(d.root, "apiVersion")
	if version == nil {
		return false
	}
	if kind := field(d.root, "kind"); kind == nil || kind.Value != "Ingress" {
		m := toVersion.FindStringSubmatch(c.problem.Message)
		if m == nil {
			return false
		}
		d.token(version, m[1])
		version.Value = m[1]
		return true
	}
	old := version.Value != presentIngress
	if old {
		d.token(version, presentIngress)
		version.Value = presentIngress
	}
	spec := field(d.root, "spec")
	if i := pair(spec, "backend"); i >= 0 && pair(spec, "defaultBackend") < 0 {
		d.token(spec.Content[i], "defaultBackend")
		spec.Content[i].Value = "defaultBackend"
	}
	d.backend(field(spec, "defaultBackend"))
	rules := field(spec, "rules")
	if rules == nil {
		return true
	}
	for _, rule := range rules.Content {
		paths := field(rule, "http", "paths")
		if paths == nil {
			continue
		}
		for _, p := range paths.Content {
			d.backend(field(p, "backend"))
			if old {
				d.pathType(p)
			}
		}
	}
	return true
}

// pathType writes the type that old forms have when none is written.
func (d *draft) pathType(path *yaml.Node) {
	if path.Kind != yaml.MappingNode || len(path.Content) == 0 || pair(path, "pathType") >= 0 {
		return
	}
	const text = "pathType: ImplementationSpecific"
	first := path.Content[0]
	if block(path) {
		d.before(first, text+"\n"+indent(first.Column))
	} else {
		d.before(first, text+", ")
	}
	path.Content = append([]*yaml.Node{scalar("pathType"), scalar("ImplementationSpecific")}, path.Content...)
}

// backend turns serviceName and servicePort into service.
func (d *draft) backend(b *yaml.Node) {
	name, port := pair(b, "serviceName"), pair(b, "servicePort")
	if name < 0 || port < 0 || len(b.Content) != 4 {
		return // whatever else is there, people should look at it
	}
	portKind := "number"
	if b.Content[port+1].ShortTag() != "!!int" {
		portKind = "name"
	}
	if block(b) {
		d.blockBackend(b, name, portKind)
	} else {
		begin, _ := d.span(b.Content[0])
		_, nameEnd := d.span(b.Content[1])
		_, end := d.span(b.Content[3])
		nameBegin, nameStop := d.span(b.Content[name+1])
		portBegin, portStop := d.span(b.Content[port+1])
		if nameEnd > end || d.bad {
			d.bad = true
			return
		}
		d.edits = append(d.edits, edit{begin, end, "service: {name: " + string(d.text[nameBegin:nameStop]) + ", port: {" + portKind + ": " + string(d.text[portBegin:portStop]) + "}}"})
	}
	named := []*yaml.Node{scalar("name"), b.Content[name+1]}
	ported := []*yaml.Node{scalar("port"), mapping(scalar(portKind), b.Content[port+1])}
	service := mapping(append(named, ported...)...)
	if block(b) && port < name {
		service = mapping(append(ported, named...)...)
	}
	b.Content = []*yaml.Node{scalar("service"), service}
}

// blockBackend writes the keys anew, each value stays where it is.
func (d *draft) blockBackend(b *yaml.Node, name int, portKind string) {
	for i := 0; i < len(b.Content); i += 2 {
		key := b.Content[i]
		in := indent(key.Column + 2)
		text := "name"
		if i != name {
			text = "port:\n" + in + "  " + portKind
		}
		if i == 0 {
			text = "service:\n" + in + text
		} else {
			d.before(key, "  ")
		}
		begin, end := d.span(key)
		d.edits = append(d.edits, edit{begin, end, text})
	}
}

// classField writes the class of an Ingress where it belongs.
func classField(d *draft, _ candidate) bool {
	metadata, spec := field(d.root, "metadata"), field(d.root, "spec")
	annotations := field(metadata, "annotations")
	i := pair(annotations, ClassAnnotation)
	if i < 0 || spec == nil || spec.Kind != yaml.MappingNode || len(spec.Content) == 0 || pair(spec, "ingressClassName") >= 0 {
		return false
	}
	key, value := annotations.Content[i], annotations.Content[i+1]
	if !block(annotations) || !block(spec) || key.Line != value.Line {
		return false
	}
	d.drop(key.Line)
	annotations.Content = append(annotations.Content[:i:i], annotations.Content[i+2:]...)
	if at := pair(metadata, "annotations"); len(annotations.Content) == 0 {
		if metadata.Content[at].Line >= key.Line {
			return false
		}
		d.drop(metadata.Content[at].Line)
		metadata.Content = append(metadata.Content[:at:at], metadata.Content[at+2:]...)
	}
	first := spec.Content[0]
	d.before(first, "ingressClassName: "+plain(value.Value)+"\n"+indent(first.Column))
	spec.Content = append([]*yaml.Node{scalar("ingressClassName"), scalar(value.Value)}, spec.Content...)
	return true
}
