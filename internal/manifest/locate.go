package manifest

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"daemun/internal/store"
)

// located is a parsed document, kept because problems come in groups.
type located struct {
	doc  *document
	root *yaml.Node
}

// Locate finds where a field of an object was written, or the nearest parent
// that was; ok is false for objects that no file holds. field is a path as in
// ir.Problem. For an object that keeps its last good version the position is
// that of the version it had.
func (l *Loader) Locate(k store.Key, field string) (p Position, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	claims := l.claims[k]
	if len(claims) == 0 {
		return Position{}, false
	}
	o := claims[0]
	if field == "" {
		return o.at, true
	}
	if l.tree.doc != o.doc {
		root, err := o.doc.parse()
		if err != nil { // it was parsed before
			return o.at, true
		}
		l.tree = located{o.doc, root}
	}
	n := l.tree.root
	if o.item != "" {
		n = find(n, strings.TrimSuffix(o.item, "."))
	}
	n = find(n, field)
	return Position{o.at.File, o.doc.line + max(n.Line, 1) - 1, max(n.Column, 1)}, true
}

// find returns the node of a field path, or of its nearest parent.
func find(n *yaml.Node, field string) *yaml.Node {
	for field != "" {
		var step string
		step, field = nextStep(field)
		next := child(n, step)
		if next == nil {
			next, field = oldForm(n, step, field)
		}
		if next == nil {
			return n
		}
		n = next
	}
	return n
}

// oldForm finds what the v1 path of an Ingress leads to where the old form is
// written: problems speak of the v1 form only.
func oldForm(n *yaml.Node, step, rest string) (next *yaml.Node, left string) {
	switch {
	case step == "defaultBackend":
		return child(n, "backend"), rest
	case step == "service" && rest == "name":
		return child(n, "serviceName"), ""
	case step == "service" && strings.HasPrefix(rest, "port."):
		return child(n, "servicePort"), ""
	}
	return nil, rest
}

// nextStep takes the first step from a path: a.b[c][0].d.
func nextStep(path string) (step, rest string) {
	if path[0] == '[' {
		if end := strings.IndexByte(path, ']'); end > 0 {
			return path[1:end], strings.TrimPrefix(path[end+1:], ".")
		}
	}
	end := 1 + strings.IndexAny(path[1:], ".[")
	if end == 0 {
		return path, ""
	}
	return path[:end], strings.TrimPrefix(path[end:], ".")
}

// parentOf cuts the last step from a path.
func parentOf(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

// child returns the value of a key or the entry at an index; nil when there
// is none.
func child(n *yaml.Node, step string) *yaml.Node {
	for depth := 0; n != nil && n.Kind == yaml.AliasNode && depth < maxDepth; depth++ {
		n = n.Alias
	}
	if n == nil {
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		return childOfMapping(n, step, new(int))
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i]
		}
	}
	return nil
}

// childOfMapping looks into merged mappings too; merges counts them, since
// aliases may lead in circles.
func childOfMapping(n *yaml.Node, step string, merges *int) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == step && n.Content[i].Kind == yaml.ScalarNode {
			return n.Content[i+1]
		}
	}
	for i := 0; i+1 < len(n.Content) && *merges < maxDepth; i += 2 {
		if n.Content[i].Tag != "!!merge" {
			continue
		}
		*merges++
		m := n.Content[i+1]
		if m.Kind == yaml.AliasNode {
			m = m.Alias
		}
		if m.Kind == yaml.MappingNode {
			if found := childOfMapping(m, step, merges); found != nil {
				return found
			}
		}
	}
	return nil
}

// scalarAt returns the text below a key, or "".
func scalarAt(n *yaml.Node, key string) string {
	if n = child(n, key); n != nil && n.Kind == yaml.ScalarNode && !isNull(n) {
		return n.Value
	}
	return ""
}
