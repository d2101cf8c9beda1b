package manifest

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"daemun/internal/nearest"
)

// fault is one thing that is wrong in a document, at a node of its tree.
type fault struct {
	node                 *yaml.Node
	code, field, message string
}

const (
	maxDepth = 100
	// aliasBudget is how many nodes a document may have beyond one per byte:
	// what honest aliases need. An alias bomb ends there.
	aliasBudget = 100_000
)

// decoder fills Kubernetes structs straight from the YAML tree, because only
// the tree knows lines and columns. It follows encoding/json's rules for
// struct tags, but names are case-sensitive and unknown ones are faults.
type decoder struct {
	schema types
	faults []fault
	path   []string
	budget int
}

func (d *decoder) fault(n *yaml.Node, code, format string, args ...any) {
	d.faults = append(d.faults, fault{n, code, fieldPath(d.path), fmt.Sprintf(format, args...)})
}

// fieldPath joins steps such as "spec", "rules", "[0]".
func fieldPath(steps []string) string {
	var b strings.Builder
	for _, s := range steps {
		if b.Len() > 0 && s[:1] != "[" {
			b.WriteByte('.')
		}
		b.WriteString(s)
	}
	return b.String()
}

func (d *decoder) push(step string) { d.path = append(d.path, step) }
func (d *decoder) pop()             { d.path = d.path[:len(d.path)-1] }

// enter follows aliases and counts; false ends the descent.
func (d *decoder) enter(n *yaml.Node) (*yaml.Node, bool) {
	d.budget--
	if d.budget < 0 || len(d.path) > maxDepth {
		if d.budget > math.MinInt/2 {
			d.budget = math.MinInt / 2 // once is enough
			d.fault(n, CodeTooLarge, "nested too deeply or too many aliases: write the values out")
		}
		return nil, false
	}
	if n.Kind == yaml.AliasNode {
		return n.Alias, true
	}
	return n, true
}

func (d *decoder) value(n *yaml.Node, v reflect.Value) {
	n, ok := d.enter(n)
	if !ok || isNull(n) {
		return
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		v = v.Elem()
	}
	if d.special(n, v) {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v)
	case reflect.Map:
		d.mapping(n, v)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			d.binary(n, v)
			return
		}
		d.list(n, v)
	case reflect.Interface:
		v.Set(reflect.ValueOf(d.plain(n)))
	default:
		d.scalar(n, v)
	}
}

// special decodes the types that have their own JSON form.
func (d *decoder) special(n *yaml.Node, v reflect.Value) bool {
	info := d.schema.of(v.Type())
	if !info.custom {
		return false
	}
	text := n.Value
	switch p := v.Addr().Interface().(type) {
	case *intstr.IntOrString:
		if !d.isScalar(n, "a number or a name") {
			return true
		}
		*p = intstr.FromString(text)
		if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 && n.Tag == "!!int" {
			i, err := strconv.ParseInt(text, 0, 32)
			if err != nil {
				d.fault(n, CodeInvalidValue, "%s is out of range", text)
			}
			*p = intstr.FromInt32(int32(i))
		}
	case *resource.Quantity:
		if !d.isScalar(n, `a quantity such as 100m or 64Mi`) {
			return true
		}
		q, err := resource.ParseQuantity(text)
		if err != nil {
			d.fault(n, CodeInvalidValue, "%q is not a quantity: write for example 100m, 2 or 64Mi", text)
		}
		*p = q
	case *metav1.Time:
		if t, ok := d.time(n); ok {
			*p = metav1.NewTime(t)
		}
	case *metav1.MicroTime:
		if t, ok := d.time(n); ok {
			*p = metav1.NewMicroTime(t)
		}
	case json.Unmarshaler:
		raw, err := json.Marshal(d.plain(n))
		if err == nil {
			err = p.UnmarshalJSON(raw)
		}
		if err != nil {
			d.fault(n, CodeInvalidValue, "not a valid value: %v", err)
		}
	}
	return true
}

func (d *decoder) time(n *yaml.Node) (time.Time, bool) {
	if !d.isScalar(n, "a time such as 2026-01-31T12:00:00Z") {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, n.Value)
	if err != nil {
		d.fault(n, CodeInvalidValue, "%q is not a time: write for example 2026-01-31T12:00:00Z", n.Value)
	}
	return t, err == nil
}

func (d *decoder) isScalar(n *yaml.Node, want string) bool {
	if n.Kind == yaml.ScalarNode {
		return true
	}
	d.fault(n, CodeWrongType, "wants %s, found %s", want, describe(n))
	return false
}

func (d *decoder) structure(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.fault(n, CodeWrongType, "wants fields below it (name: value), found %s", describe(n))
		return
	}
	info := d.schema.of(v.Type())
	d.eachPair(n, func(k, value *yaml.Node) {
		f, ok := info.fields[k.Value]
		d.push(k.Value)
		if ok {
			d.value(value, v.FieldByIndex(f))
		} else {
			d.fault(k, CodeUnknownField, "no such field%s", info.suggest(k.Value))
		}
		d.pop()
	})
}

// eachPair calls f for each key of a mapping, merge keys included; keys of the
// mapping itself win over merged ones. Keys written twice are faults.
func (d *decoder) eachPair(n *yaml.Node, f func(key, value *yaml.Node)) {
	seen := make(map[string]int, len(n.Content)/2)
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		if k.Tag == "!!merge" {
			merged = append(merged, n.Content[i+1])
			continue
		}
		if k.Kind != yaml.ScalarNode || k.Value == "" && isNull(k) {
			d.fault(k, CodeWrongType, "the name of a field must be text, found %s", describe(k))
			continue
		}
		if line, twice := seen[k.Value]; twice {
			d.push("[" + k.Value + "]")
			d.fault(k, CodeDuplicateField, "is written twice, first %d lines above: keep one", k.Line-line)
			d.pop()
			continue
		}
		seen[k.Value] = k.Line
		f(k, n.Content[i+1])
	}
	for _, m := range merged {
		d.mergeInto(m, seen, f)
	}
}

func (d *decoder) mergeInto(m *yaml.Node, seen map[string]int, f func(key, value *yaml.Node)) {
	m, ok := d.enter(m)
	if !ok {
		return
	}
	d.budget -= len(m.Content)
	switch m.Kind {
	case yaml.SequenceNode:
		d.push("<<")
		for _, one := range m.Content {
			d.mergeInto(one, seen, f)
		}
		d.pop()
	case yaml.MappingNode:
		d.push("<<")
		var pairs [][2]*yaml.Node
		d.eachPair(m, func(k, v *yaml.Node) { pairs = append(pairs, [2]*yaml.Node{k, v}) })
		d.pop()
		for _, p := range pairs {
			if _, has := seen[p[0].Value]; !has {
				seen[p[0].Value] = p[0].Line
				f(p[0], p[1])
			}
		}
	default:
		d.fault(m, CodeWrongType, "the merge key << wants a mapping or a list of mappings, found %s", describe(m))
	}
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.fault(n, CodeWrongType, "wants names and values below it (name: value), found %s", describe(n))
		return
	}
	m := reflect.MakeMapWithSize(v.Type(), len(n.Content)/2)
	d.eachPair(n, func(k, value *yaml.Node) {
		e := reflect.New(v.Type().Elem()).Elem()
		d.push("[" + k.Value + "]")
		d.value(value, e)
		d.pop()
		m.SetMapIndex(reflect.ValueOf(k.Value).Convert(v.Type().Key()), e)
	})
	v.Set(m)
}

func (d *decoder) list(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.fault(n, CodeWrongType, `wants a list (entries that begin with "- "), found %s`, describe(n))
		return
	}
	s := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, e := range n.Content {
		d.push("[" + strconv.Itoa(i) + "]")
		if isNull(e) && v.Type().Elem().Kind() == reflect.Struct {
			d.fault(e, CodeWrongType, `this entry of the list is empty: remove it or fill it in`)
		}
		d.value(e, s.Index(i))
		d.pop()
	}
	v.Set(s)
}

func (d *decoder) binary(n *yaml.Node, v reflect.Value) {
	if !d.isScalar(n, "base64 text") {
		return
	}
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(n.Value))
	if err != nil {
		d.fault(n, CodeInvalidValue, "is not base64 (%v): encode the value, or write it plainly below stringData if this is a Secret", err)
	}
	v.SetBytes(b)
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		d.text(n, v)
	case reflect.Bool:
		b, ok := boolean(n)
		if !ok {
			d.fault(n, CodeWrongType, "wants true or false (without quotes), found %s", describe(n))
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		i, err := strconv.ParseInt(strings.ReplaceAll(n.Value, "_", ""), 0, v.Type().Bits())
		if n.Kind != yaml.ScalarNode || n.Tag != "!!int" {
			d.fault(n, CodeWrongType, "wants a whole number (without quotes), found %s", describe(n))
		} else if err != nil {
			d.fault(n, CodeInvalidValue, "%s is out of range", n.Value)
		}
		v.SetInt(i)
	case reflect.Float32, reflect.Float64:
		f, err := strconv.ParseFloat(n.Value, 64)
		if n.Kind != yaml.ScalarNode || err != nil {
			d.fault(n, CodeWrongType, "wants a number, found %s", describe(n))
		}
		v.SetFloat(f)
	default:
		d.fault(n, CodeWrongType, "cannot be set from a file")
	}
}

// text wants a string. What YAML 1.1, which kubectl reads, takes for another
// type is refused: it would not work in a cluster either.
func (d *decoder) text(n *yaml.Node, v reflect.Value) {
	if !d.isScalar(n, "text") {
		return
	}
	kind := ""
	_, isBool := boolean(n)
	switch {
	case isBool:
		kind = "a truth value"
	case n.Tag == "!!int" || n.Tag == "!!float":
		kind = "a number"
	}
	if kind != "" {
		d.fault(n, CodeWrongType, "wants text, but YAML reads %s as %s: quote it: %q", n.Value, kind, n.Value)
	}
	v.SetString(n.Value)
}

// boolean reads the truth values of YAML 1.1.
func boolean(n *yaml.Node) (value, ok bool) {
	if n.Kind != yaml.ScalarNode || n.Style&^yaml.FlowStyle&^yaml.TaggedStyle != 0 || n.Tag != "!!bool" && n.Tag != "!!str" || n.Style&yaml.TaggedStyle != 0 && n.Tag == "!!str" {
		return false, false
	}
	switch n.Value {
	case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y":
		return true, true
	case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N":
		return false, true
	}
	return false, false
}

// plain is a value without a schema, as encoding/json would decode it.
func (d *decoder) plain(n *yaml.Node) any {
	n, ok := d.enter(n)
	if !ok || isNull(n) {
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		d.eachPair(n, func(k, v *yaml.Node) {
			d.push("[" + k.Value + "]")
			m[k.Value] = d.plain(v)
			d.pop()
		})
		return m
	case yaml.SequenceNode:
		s := []any{}
		for i, e := range n.Content {
			d.push("[" + strconv.Itoa(i) + "]")
			s = append(s, d.plain(e))
			d.pop()
		}
		return s
	}
	if b, ok := boolean(n); ok {
		return b
	}
	if i, err := strconv.ParseInt(n.Value, 0, 64); n.Tag == "!!int" && err == nil {
		return i
	}
	if f, err := strconv.ParseFloat(n.Value, 64); n.Tag == "!!float" && err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
		return f
	}
	return n.Value
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// describe names what a node is, for "wants X, found Y".
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.AliasNode:
		return describe(n.Alias)
	case yaml.MappingNode:
		return "fields (name: value)"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!bool":
		return n.Value
	}
	value := []rune(n.Value)
	if len(value) > 40 {
		value = append(value[:40], '…')
	}
	return fmt.Sprintf("the text %q", string(value))
}

// types caches what reflection finds out about types.
type types map[reflect.Type]*typeInfo

type typeInfo struct {
	// custom types have their own JSON form.
	custom bool
	fields map[string][]int
}

func (s types) of(t reflect.Type) *typeInfo {
	if info := s[t]; info != nil {
		return info
	}
	info := &typeInfo{custom: t.Kind() != reflect.Slice && t.Kind() != reflect.Map && reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]())}
	if t.Kind() == reflect.Struct && !info.custom {
		info.fields = map[string][]int{}
		addFields(info.fields, t, nil)
	}
	s[t] = info
	return info
}

func addFields(fields map[string][]int, t reflect.Type, prefix []int) {
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		index := append(slices.Clone(prefix), f.Index...)
		switch {
		case name == "-" || !f.IsExported():
		case name == "" && f.Anonymous:
			addFields(fields, f.Type, index)
		default:
			fields[cmp.Or(name, f.Name)] = index
		}
	}
}

// suggest returns ": did you mean …" for a name that does not exist.
func (t *typeInfo) suggest(name string) string {
	names := make([]string, 0, len(t.fields))
	for f := range t.fields {
		names = append(names, f)
	}
	slices.Sort(names)
	if best := nearest.Name(name, names); best != "" {
		return fmt.Sprintf(": did you mean %s?", best)
	}
	if len(names) <= 12 {
		return ": the fields here are " + strings.Join(names, ", ")
	}
	return ": check the spelling and the indentation"
}
