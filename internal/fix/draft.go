package fix

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// draft is one change being made: the nodes become what the text should mean,
// the edits are how to get there.
type draft struct {
	text  []byte
	docs  []*yaml.Node
	root  *yaml.Node
	edits []edit
	bad   bool
}

// edit replaces the octets from begin to end.
type edit struct {
	begin, end int
	text       string
}

// apply makes the edits; ok is false when they overlap or could not be placed.
func (d *draft) apply() (text []byte, ok bool) {
	slices.SortStableFunc(d.edits, func(a, b edit) int { return cmp.Compare(a.begin, b.begin) })
	newline := "\n"
	if bytes.Contains(d.text, []byte("\r\n")) {
		newline = "\r\n"
	}
	at := 0
	for _, e := range d.edits {
		if e.begin < at || e.end < e.begin || e.end > len(d.text) {
			return nil, false
		}
		text = append(text, d.text[at:e.begin]...)
		text = append(text, strings.ReplaceAll(e.text, "\n", newline)...)
		at = e.end
	}
	return append(text, d.text[at:]...), !d.bad
}

// line returns where a line begins and where the next one does.
func (d *draft) line(n int) (begin, end int) {
	for ; n > 1; n-- {
		i := bytes.IndexByte(d.text[begin:], '\n')
		if i < 0 {
			d.bad = true
			return len(d.text), len(d.text)
		}
		begin += i + 1
	}
	if i := bytes.IndexByte(d.text[begin:], '\n'); i >= 0 {
		return begin, begin + i + 1
	}
	return begin, len(d.text)
}

// offset is where a node begins.
func (d *draft) offset(n *yaml.Node) int {
	at, end := d.line(n.Line)
	for range n.Column - 1 {
		_, size := utf8.DecodeRune(d.text[at:end])
		at += size
	}
	return at
}

// token replaces a scalar that is written in one piece, in the quotes it has.
func (d *draft) token(n *yaml.Node, text string) {
	begin, end := d.span(n)
	raw := string(d.text[begin:end])
	if quote := raw[:min(1, len(raw))]; quote == `"` || quote == `'` {
		text = quote + text + quote
	}
	d.edits = append(d.edits, edit{begin, end, text})
}

// span is where a scalar is written; a bad one if it is not as it reads.
func (d *draft) span(n *yaml.Node) (begin, end int) {
	begin = d.offset(n)
	for _, quote := range []string{"", `"`, `'`} {
		if bytes.HasPrefix(d.text[begin:], []byte(quote+n.Value+quote)) {
			if quote == "" && (n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0) {
				continue
			}
			return begin, begin + len(n.Value) + 2*len(quote)
		}
	}
	d.bad = true
	return begin, begin
}

// before writes something in front of a node.
func (d *draft) before(n *yaml.Node, text string) {
	at := d.offset(n)
	d.edits = append(d.edits, edit{at, at, text})
}

// drop takes a whole line out.
func (d *draft) drop(line int) {
	begin, end := d.line(line)
	d.edits = append(d.edits, edit{begin, end, ""})
}

// pair finds a field of a mapping: the place of its key, -1 when absent.
func pair(n *yaml.Node, name string) int {
	if n == nil || n.Kind != yaml.MappingNode {
		return -1
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return i
		}
	}
	return -1
}

// field returns the value of a field, nil when absent.
func field(n *yaml.Node, path ...string) *yaml.Node {
	for _, name := range path {
		i := pair(n, name)
		if i < 0 {
			return nil
		}
		n = n.Content[i+1]
	}
	return n
}

func block(n *yaml.Node) bool { return n.Style&yaml.FlowStyle == 0 }

func scalar(value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
}

func mapping(content ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: content}
}

// plain writes a text so that YAML reads it as one.
func plain(value string) string {
	var n yaml.Node
	if yaml.Unmarshal([]byte(value), &n) == nil && len(n.Content) == 1 && n.Content[0].ShortTag() == "!!str" && n.Content[0].Value == value && n.Content[0].LineComment == "" {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", "''") + "'"
}

func indent(column int) string { return strings.Repeat(" ", max(0, column-1)) }
