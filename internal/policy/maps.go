package policy

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"daemun/internal/expression"
	"daemun/internal/ir"
	"daemun/internal/variable"
)

// Maps are the variables that others decide, by their names. They are immutable.
type Maps map[string]*Map

// Map is one of them.
type Map struct {
	// Volatile says that the value is not that of the whole request.
	Volatile bool

	source, standard *variable.Text
	texts            map[string]*variable.Text // in lower case
	first, last      []mapPattern              // "*.test", ".*": the longest first
	hostnames        bool
	expressions      []mapPattern
	networks         []ir.MapNetwork // the smallest first
	shares           []ir.MapShare
}

type mapPattern struct {
	text  string
	expr  expression.Matcher
	names []string
	to    *variable.Text
}

// longestMapped bounds a value: maps of maps could grow without end.
const longestMapped = 8 << 10

// NewMaps returns nil for none. An expression that does not compile, which
// translation has reported, matches nothing.
func NewMaps(list []ir.Map, beyond expression.Engine) Maps {
	if len(list) == 0 {
		return nil
	}
	made := Maps{}
	for i := range list {
		made[list[i].Name] = newMap(&list[i], beyond)
	}
	return made
}

func newMap(from *ir.Map, beyond expression.Engine) *Map {
	m := &Map{Volatile: from.Volatile, texts: map[string]*variable.Text{}, hostnames: from.Hostnames, networks: slices.Clone(from.Networks), shares: from.Shares}
	m.source, _ = variable.ParseOpen(from.Source)
	m.standard, _ = variable.ParseOpen(from.Default)
	for _, e := range from.Texts {
		to, _ := variable.ParseOpen(e.To)
		m.add(strings.ToLower(e.From), to)
	}
	longer := func(a, b mapPattern) int { return cmp.Compare(len(b.text), len(a.text)) }
	slices.SortStableFunc(m.first, longer)
	slices.SortStableFunc(m.last, longer)
	for _, e := range from.Expressions {
		expr, fold := strings.CutPrefix(strings.TrimPrefix(e.From, "~"), "*")
		matcher, err := expression.Compile(expr, expression.Case(fold), beyond)
		if err != nil {
			continue
		}
		to, _ := variable.ParseOpen(e.To)
		m.expressions = append(m.expressions, mapPattern{expr: matcher, names: namedGroups(matcher), to: to})
	}
	slices.SortStableFunc(m.networks, func(a, b ir.MapNetwork) int { return cmp.Compare(b.Net.Bits(), a.Net.Bits()) })
	return m
}

// add adds a text: with hostnames ".a.test" is "a.test" and "*.a.test".
func (m *Map) add(from string, to *variable.Text) {
	switch {
	case m.hostnames && strings.HasPrefix(from, "*."):
		m.first = append(m.first, mapPattern{text: from[1:], to: to})
	case m.hostnames && strings.HasPrefix(from, "."):
		m.texts[from[1:]] = to
		m.first = append(m.first, mapPattern{text: from, to: to})
	case m.hostnames && strings.HasSuffix(from, ".*"):
		m.last = append(m.last, mapPattern{text: from[:len(from)-1], to: to})
	default:
		m.texts[from] = to
	}
}

// Append appends the value for a request.
func (m *Map) Append(dst []byte, from variable.Source) []byte {
	subject := m.source.Append(nil, from)
	start := len(dst)
	switch {
	case len(m.shares) > 0:
		dst = m.appendShare(dst, subject)
	case len(m.networks) > 0:
		dst = m.appendNetwork(dst, string(subject), from)
	default:
		dst = m.appendText(dst, subject, from)
	}
	if len(dst)-start > longestMapped {
		return dst[:start]
	}
	return dst
}

func (m *Map) appendShare(dst, subject []byte) []byte {
	hash := murmur2(subject)
	for i := range m.shares {
		if s := &m.shares[i]; s.Rest || hash < s.Below {
			return append(dst, s.To...)
		}
	}
	return dst
}

// murmur2 is MurmurHash2 with the seed 0, by which nginx splits clients: with
// it, each stays on its side.
func murmur2(b []byte) uint32 {
	const m = 0x5bd1e995
	h := uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		k := binary.LittleEndian.Uint32(b) * m
		h = h*m ^ (k^k>>24)*m
	}
	switch len(b) {
	case 3:
		h ^= uint32(b[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(b[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(b[0])) * m
	}
	h = (h ^ h>>13) * m
	return h ^ h>>15
}

func (m *Map) appendNetwork(dst []byte, subject string, from variable.Source) []byte {
	if addr, err := netip.ParseAddr(subject); err == nil {
		addr = addr.Unmap().WithZone("")
		for i := range m.networks {
			if n := &m.networks[i]; n.Net.Contains(addr) {
				return append(dst, n.To...)
			}
		}
	}
	return m.standard.Append(dst, from)
}

func (m *Map) appendText(dst, subject []byte, from variable.Source) []byte {
	folded := strings.ToLower(string(subject))
	if m.hostnames {
		folded = strings.TrimSuffix(folded, ".")
	}
	if to := m.texts[folded]; to != nil {
		return to.Append(dst, from)
	}
	for i := range m.first {
		if strings.HasSuffix(folded, m.first[i].text) {
			return m.first[i].to.Append(dst, from)
		}
	}
	for i := range m.last {
		if strings.HasPrefix(folded, m.last[i].text) {
			return m.last[i].to.Append(dst, from)
		}
	}
	for i := range m.expressions {
		e := &m.expressions[i]
		groups := captured{Source: from, subject: subject, names: e.names}
		if matched, err := e.expr.Match(subject, &groups.caps); matched && err == nil {
			return e.to.Append(dst, &groups)
		}
	}
	return m.standard.Append(dst, from)
}

// captured is a Source with the groups of a match.
type captured struct {
	variable.Source
	subject []byte
	caps    expression.Captures
	names   []string
}

func (c *captured) AppendVariable(dst []byte, id variable.ID, arg string) []byte {
	switch id {
	case variable.Capture:
		return append(dst, c.caps.Group(c.subject, int(arg[0]-'0'))...)
	case variable.User:
		for i := 1; i < len(c.names) && i < expression.Groups; i++ {
			if c.names[i] == arg {
				return append(dst, c.caps.Group(c.subject, i)...)
			}
		}
	}
	return c.Source.AppendVariable(dst, id, arg)
}
