package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	// maxDocument is the API server's limit for one request body.
	maxDocument = 3 << 20
	maxFile     = 64 << 20
)

// document is one YAML or JSON document of a file. raw is never written.
type document struct {
	raw []byte
	// line is the 1-based line of the file where raw begins.
	line int
	// json says that raw is a valid JSON object.
	json bool
}

// split cuts a file into its documents. It works on lines, so that a broken
// document does not hide the ones after it: "---" and "..." at the start of a
// line end a document everywhere in YAML, inside block scalars too.
func split(data []byte) []document {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	var docs []document
	start, startLine, line := 0, 1, 1
	for i := 0; i < len(data); line++ {
		end := len(data)
		if n := bytes.IndexByte(data[i:], '\n'); n >= 0 {
			end = i + n + 1
		}
		if mark := data[i:end]; isMarker(mark, "---") || isMarker(mark, "...") {
			docs = appendDocuments(docs, data[start:i], startLine)
			start, startLine = i+3, line
			if i+3 < end && len(bytes.TrimSpace(data[i+3:end])) == 0 {
				start, startLine = end, line+1
			}
		}
		i = end
	}
	return appendDocuments(docs, data[start:], startLine)
}

func isMarker(line []byte, mark string) bool {
	if !bytes.HasPrefix(line, []byte(mark)) {
		return false
	}
	return len(line) == 3 || strings.IndexByte(" \t\r\n", line[3]) >= 0
}

// appendDocuments adds raw unless it holds only blank lines, comments and
// directives. JSON values that follow each other become one document each.
func appendDocuments(docs []document, raw []byte, line int) []document {
	rest := raw
	for len(rest) > 0 {
		one, after, _ := bytes.Cut(rest, []byte("\n"))
		one = bytes.TrimSpace(one)
		if len(one) > 0 && one[0] != '#' && one[0] != '%' {
			break
		}
		rest = after
	}
	if len(rest) == 0 {
		return docs
	}
	if bytes.TrimSpace(rest)[0] != '{' || len(rest) > maxDocument {
		return append(docs, document{raw: raw, line: line})
	}
	line += bytes.Count(raw[:len(raw)-len(rest)], []byte("\n"))
	decoder, from := json.NewDecoder(bytes.NewReader(rest)), int64(0)
	var values []document
	for decoder.More() {
		var value json.RawMessage
		if decoder.Decode(&value) != nil {
			// Not JSON: a YAML flow mapping, or an error that the YAML
			// parser will name.
			return append(docs, document{raw: rest, line: line})
		}
		to := decoder.InputOffset()
		begin := from + int64(bytes.IndexByte(rest[from:to], value[0]))
		values = append(values, document{rest[begin:to], line + bytes.Count(rest[:begin], []byte("\n")), true})
		from = to
	}
	return append(docs, values...)
}

// templateMark finds what only a Helm template holds.
var templateMark = regexp.MustCompile(`\{\{-?\s*(\.(Values|Release|Chart|Capabilities|Files)\b|\$|(include|if|else|with|range|template|define|end|toYaml)\b)`)

// jsonEscapes finds the escapes of JSON. Two of them YAML does not know: the
// slash and characters above U+FFFF as two surrogates.
var jsonEscapes = regexp.MustCompile(`\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|.)`)

func yamlEscape(m []byte) []byte {
	var s string
	if len(m) == 2 && m[1] != '/' || json.Unmarshal([]byte(`"`+string(m)+`"`), &s) != nil {
		return m
	}
	return []byte(s)
}

// parse returns the content node of a document. Its lines count from the
// document's begin.
func (d document) parse() (*yaml.Node, error) {
	raw := d.raw
	if d.json {
		// A tab is white space everywhere in JSON: strings hold none.
		raw = bytes.ReplaceAll(raw, []byte("\t"), []byte(" "))
		raw = jsonEscapes.ReplaceAllFunc(raw, yamlEscape)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(raw, &root); err != nil {
		return nil, err
	}
	if root.Kind != yaml.DocumentNode || len(root.Content) != 1 {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: 1, Column: 1}, nil
	}
	return root.Content[0], nil
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntaxError returns the line in the file and a message in plain words for an
// error of parse.
func (d document) syntaxError(err error) (line int, message string) {
	text, n := err.Error(), 1
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		text = text[len(m[0]):]
		n, _ = strconv.Atoi(m[1])
	}
	n = max(n, 1)
	lines := strings.Split(string(d.raw), "\n")
	// The parser names the line before for what it notices at the next token.
	for _, at := range []int{n, n + 1, n - 1} {
		if !d.json && at >= 1 && at <= len(lines) && tabIndented(lines[at-1]) {
			return d.line + at - 1, "a tab indents this line: YAML wants spaces"
		}
	}
	hint := ""
	switch {
	case strings.Contains(text, "mapping values are not allowed"):
		hint = `: check the indentation, and quote text that holds ": "`
	case strings.Contains(text, "did not find expected key"), strings.Contains(text, "did not find expected '-'"):
		hint = ": check the indentation; siblings begin in the same column"
	case strings.Contains(text, "could not find expected ':'"):
		hint = `: a field is written "name: value"`
	case strings.Contains(text, "cannot start any token"):
		hint = ": quote the value"
	case strings.Contains(text, "unknown anchor"):
		hint = ": define it with & before using it with *, in the same document"
	}
	return d.line + n - 1, fmt.Sprintf("not valid YAML: %s%s", text, hint)
}

func tabIndented(line string) bool {
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	return strings.Contains(indent, "\t") && len(indent) < len(line)
}
