// Package fix mends the text of manifests where there is one way only:
//
//	fixed, done := fix.Text(text, problems, found)
//
// It turns a file and the problems in it into the file as it should be, comments
// and layout as they were. Each change is proven before it counts: the changed
// text must read as the old one with exactly that change, comments included, and
// must not have problems that the old one did not have. What cannot be proven is
// left alone. It knows nothing of the meaning of objects, and starts no goroutine.
package fix

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"daemun/internal/annotation"
	"daemun/internal/ir"
	"daemun/internal/manifest"
)

// CodeOldClass: an Ingress chooses its class by the deprecated annotation.
const CodeOldClass = "DMN0921"

// ClassAnnotation is the deprecated one.
const ClassAnnotation = "kubernetes.io/ingress.class"

// maxText bounds the files that are looked at.
const maxText = 4 << 20

// Text returns the text without the problems that it could mend, and those. The
// text itself is not written. found returns the problems of a text.
func Text(text []byte, problems []ir.Problem, found func([]byte) []ir.Problem) (fixed []byte, done []ir.Problem) {
	original, err := documents(text)
	if err != nil || len(text) > maxText {
		return text, nil
	}
	fixed = text
	before := found(text)
	for _, c := range candidates(problems, original) {
		next, ok := change(fixed, c)
		if !ok || worse(before, found(next)) {
			continue
		}
		fixed, done = next, append(done, c.problem)
	}
	return fixed, done
}

// candidate is a problem that there is a way to mend.
type candidate struct {
	problem ir.Problem
	// doc is the place of its document among those of the file. Its line counts
	// for renames only: other changes move lines.
	doc  int
	make func(*draft, candidate) bool
	// rank orders the ways: those that keep lines where they are come first.
	rank int
}

// candidates orders what can be mended so that no change moves the place of a
// later one: from the end of the file to its beginning.
func candidates(problems []ir.Problem, docs []*yaml.Node) []candidate {
	var list []candidate
	for _, p := range problems {
		c := candidate{problem: p, doc: docAt(docs, p.Line)}
		switch {
		case p.Code == annotation.CodeUnknown, p.Code == manifest.CodeUnknownField:
			c.make = rename
		case p.Code == manifest.CodeOldForm:
			c.make, c.rank = present, 1
		case p.Code == CodeOldClass:
			c.make, c.rank = classField, 2
		}
		if c.make != nil && c.doc >= 0 {
			list = append(list, c)
		}
	}
	slices.SortStableFunc(list, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(b.problem.Line, a.problem.Line), cmp.Compare(b.problem.Column, a.problem.Column))
	})
	return list
}

// docAt returns the document that a line is in.
func docAt(docs []*yaml.Node, line int) int {
	at := -1
	for i, d := range docs {
		if d.Line <= line {
			at = i
		}
	}
	return at
}

// change makes one change and proves it.
func change(text []byte, c candidate) ([]byte, bool) {
	docs, err := documents(text)
	if err != nil || c.doc >= len(docs) {
		return nil, false
	}
	d := &draft{text: text, docs: docs, root: docs[c.doc].Content[0]}
	said := comments(docs)
	if !c.make(d, c) || len(d.edits) == 0 {
		return nil, false
	}
	next, ok := d.apply()
	if !ok {
		return nil, false
	}
	got, err := documents(next)
	if err != nil || len(got) != len(docs) || !slices.Equal(said, comments(got)) {
		return nil, false
	}
	for i := range got {
		if !same(got[i], docs[i]) {
			return nil, false
		}
	}
	return next, true
}

// worse reports whether there is a problem that was not there before.
func worse(before, after []ir.Problem) bool {
	return slices.ContainsFunc(after, func(p ir.Problem) bool {
		// Who reported the old annotation knows all files, and the class in one of
		// them; here is one file only.
		if p.Field == "spec.ingressClassName" {
			return false
		}
		return !slices.ContainsFunc(before, func(b ir.Problem) bool {
			return b.Code == p.Code && b.Object == p.Object && b.Field == p.Field
		})
	})
}

// documents parses a file; documents without content are left out.
func documents(text []byte) ([]*yaml.Node, error) {
	var list []*yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		n := &yaml.Node{}
		err := decoder.Decode(n)
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		if len(n.Content) == 1 {
			n.Line = n.Content[0].Line
			list = append(list, n)
		}
	}
}

// same compares what two nodes mean.
func same(a, b *yaml.Node) bool {
	return a.Kind == b.Kind && a.ShortTag() == b.ShortTag() && a.Value == b.Value && a.Anchor == b.Anchor &&
		slices.EqualFunc(a.Content, b.Content, same)
}

// comments returns all lines of comments, sorted: a change may move a comment to
// another node, but must not lose it.
func comments(nodes []*yaml.Node) []string {
	var list []string
	for _, n := range nodes {
		for _, c := range []string{n.HeadComment, n.LineComment, n.FootComment} {
			for line := range strings.Lines(c) {
				list = append(list, strings.TrimSpace(line))
			}
		}
		list = append(list, comments(n.Content)...)
	}
	slices.Sort(list)
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}
