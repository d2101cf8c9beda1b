package snippet

import (
	"fmt"
	"strings"
)

// Place is where something stands in a text; both numbers begin with 1.
type Place struct{ Line, Column int }

func (p Place) String() string { return fmt.Sprintf("line %d, column %d", p.Line, p.Column) }

// word is one argument, without its quotes and escapes.
type word struct {
	text string
	at   Place
}

// directive is a name with arguments and perhaps a block.
type directive struct {
	name    string
	at      Place
	args    []word
	block   []directive
	isBlock bool
}

// Bounds of one text (H9.2).
const (
	maxText       = 64 << 10
	maxDepth      = 6
	maxDirectives = 1000
)

// syntaxError is a text that nginx would not read.
type syntaxError struct {
	at  Place
	msg string
}

func (e *syntaxError) Error() string { return fmt.Sprintf("%v: %s", e.at, e.msg) }

// parser reads nginx's configuration language: words with quotes and escapes,
// "${name}" in them, comments, blocks.
type parser struct {
	text  string
	i     int
	line  int
	start int // where the line begins
	count int
}

// parse reads a text.
func parse(text string) ([]directive, error) {
	p := &parser{text: text, line: 1}
	if len(text) > maxText {
		return nil, &syntaxError{Place{1, 1}, fmt.Sprintf("the text is longer than %d octets", maxText)}
	}
	return p.directives(0)
}

func (p *parser) at() Place { return Place{p.line, p.i - p.start + 1} }

func (p *parser) fail(at Place, format string, args ...any) error {
	return &syntaxError{at, fmt.Sprintf(format, args...)}
}

// directives reads up to the end of the text, or of the block.
func (p *parser) directives(depth int) (list []directive, err error) {
	if depth > maxDepth {
		return nil, p.fail(p.at(), "blocks are nested more than %d deep", maxDepth)
	}
	for {
		p.blanks()
		switch {
		case p.i == len(p.text):
			if depth > 0 {
				return nil, p.fail(p.at(), `the text ends within a block: a "}" is missing`)
			}
			return list, nil
		case p.text[p.i] == '}':
			if depth == 0 {
				return nil, p.fail(p.at(), `there is no block that this "}" could end`)
			}
			p.i++
			return list, nil
		}
		d, err := p.directive(depth)
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
}

// directive reads one directive, with its block.
func (p *parser) directive(depth int) (d directive, err error) {
	if p.count++; p.count > maxDirectives {
		return d, p.fail(p.at(), "there are more than %d directives", maxDirectives)
	}
	d.at = p.at()
	named := false
	for {
		p.blanks()
		if p.i == len(p.text) {
			return d, p.fail(p.at(), `the text ends within the directive %.40q: a ";" is missing`, d.name)
		}
		switch c := p.text[p.i]; {
		case (c == ';' || c == '{') && !named:
			return d, p.fail(p.at(), "%q stands where a directive should begin", c)
		case c == ';':
			p.i++
			return d, nil
		case c == '{':
			p.i++
			d.isBlock = true
			if strings.HasSuffix(d.name, "_by_lua_block") {
				return d, p.skipCode(d.at)
			}
			d.block, err = p.directives(depth + 1)
			return d, err
		case c == '}':
			return d, p.fail(p.at(), `"}" stands within the directive %.40q: a ";" is missing`, d.name)
		}
		w, err := p.word()
		if err != nil {
			return d, err
		}
		if !named { // a line of a map may begin with an empty text
			d.name, named = w.text, true
		} else {
			d.args = append(d.args, w)
		}
	}
}

// skipCode passes over a block that is no configuration.
func (p *parser) skipCode(at Place) error {
	for depth := 1; p.i < len(p.text); p.i++ {
		switch p.text[p.i] {
		case '\n':
			p.line, p.start = p.line+1, p.i+1
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				p.i++
				return nil
			}
		}
	}
	return p.fail(at, "the block does not end")
}

// blanks passes over blanks and comments.
func (p *parser) blanks() {
	for p.i < len(p.text) {
		switch p.text[p.i] {
		case '\n':
			p.i++
			p.line, p.start = p.line+1, p.i
		case ' ', '\t', '\r':
			p.i++
		case '#':
			for p.i < len(p.text) && p.text[p.i] != '\n' {
				p.i++
			}
		default:
			return
		}
	}
}

// word reads one word; the text goes on with it.
func (p *parser) word() (w word, err error) {
	w.at = p.at()
	if c := p.text[p.i]; c == '"' || c == '\'' {
		p.i++
		text, ok := p.until(func(b byte) bool { return b == c })
		if !ok {
			return w, p.fail(w.at, "the quote that begins here does not end")
		}
		p.i++
		if p.i < len(p.text) && !strings.ContainsRune(" \t\r\n;{)", rune(p.text[p.i])) {
			return w, p.fail(p.at(), "%q stands right behind a quote: write a blank between them", p.text[p.i])
		}
		w.text = text
		return w, nil
	}
	w.text, _ = p.until(func(b byte) bool { return strings.IndexByte(" \t\r\n;{", b) >= 0 })
	return w, nil
}

// until reads octets up to one that ends the word, and resolves escapes. A
// "{" behind "$" does not end it. ok is false at the end of the text.
func (p *parser) until(ends func(byte) bool) (text string, ok bool) {
	var b strings.Builder
	for p.i < len(p.text) {
		c := p.text[p.i]
		switch {
		case c == '\\' && p.i+1 < len(p.text):
			p.i++
			b.WriteString(unescape(p.text[p.i]))
			if p.text[p.i] == '\n' {
				p.line, p.start = p.line+1, p.i+1
			}
		case c == '$' && strings.HasPrefix(p.text[p.i:], "${"):
			b.WriteString("${")
			p.i++
		case ends(c):
			return b.String(), true
		default:
			b.WriteByte(c)
			if c == '\n' {
				p.line, p.start = p.line+1, p.i+1
			}
		}
		p.i++
	}
	return b.String(), false
}

// unescape is what a character behind "\" stands for: with it, itself, for all
// that nginx does not know.
func unescape(c byte) string {
	switch c {
	case '"', '\'', '\\':
		return string(c)
	case 't':
		return "\t"
	case 'r':
		return "\r"
	case 'n':
		return "\n"
	}
	return `\` + string([]byte{c})
}
