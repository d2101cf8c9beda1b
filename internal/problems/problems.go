// Package problems is the reference of all problem codes: what each means and
// what to do about it.
//
// It turns a code into words for people: docs/problems.md, the dashboard and
// `daemun explain DMN0304` are made from its table. Whoever finds a problem
// defines the code as a constant of its own package, and a test of
// internal/codebase compares the two. This package knows nobody and has no
// goroutines.
package problems

import (
	"cmp"
	"slices"
	"strings"
)

// Group is a section of the reference. Its texts are Markdown.
type Group struct {
	Title string
	// Before and After are around the table; either may be empty.
	Before, After string
	// Codes rise.
	Codes []Code
}

// Code is one code.
type Code struct {
	Code string
	// Severity is a word of ir.Severity, with the exceptions from it.
	Severity string
	Meaning  string
	// Do is what helps.
	Do string
}

// Groups are all codes, in the order of the reference. The slice is the
// caller's.
func Groups() []Group {
	return []Group{
		manifests(),
		ingresses(),
		annotations(),
		certificates(),
		workloads(),
		names(),
		addresses(),
		configMap(),
		apiServer(),
		commandLine(),
	}
}

// Find returns what is known of a code, and the group that it is of.
func Find(code string) (Group, Code, bool) {
	for _, g := range Groups() {
		i, ok := slices.BinarySearchFunc(g.Codes, code, func(c Code, want string) int { return cmp.Compare(c.Code, want) })
		if ok {
			return g, g.Codes[i], true
		}
	}
	return Group{}, Code{}, false
}

// Markdown is docs/problems.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(intro, "'", "`"))
	for _, g := range Groups() {
		b.WriteString("\n## " + g.Title + "\n\n")
		if g.Before != "" {
			b.WriteString(g.Before + "\n\n")
		}
		b.WriteString("| code | severity | meaning | what to do |\n|---|---|---|---|\n")
		for _, c := range g.Codes {
			b.WriteString("| `" + c.Code + "` | " + cell(c.Severity) + " | " + cell(c.Meaning) + " | " + cell(c.Do) + " |\n")
		}
		if g.After != "" {
			b.WriteString("\n" + g.After + "\n")
		}
	}
	return b.String()
}

// Plain is a text of the table without the targets of its links, for where the
// pages that they lead to are not.
func Plain(s string) string {
	for {
		end := strings.Index(s, "](")
		begin := strings.LastIndex(s[:max(end, 0)], "[")
		target := strings.Index(s[max(end, 0):], ")")
		if end < 0 || begin < 0 || target < 0 {
			return s
		}
		s = s[:begin] + s[begin+1:end] + s[end+target+1:]
	}
}

// cell escapes what would end a cell of a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// intro has ' for the backquote, which cannot stand in it.
const intro = `# Problems

Made from the code by 'make generate'. A problem says what is wrong with an object and what would be right. It is never the end of anything else: everything
that is not concerned goes on. 'daemun lint' finds problems in files, 'daemun get problems -A' shows those of a running Daemun, 'daemun up' prints each when it
appears and when it is solved. The code is stable; the sentence behind it names the value at hand. 'daemun explain DMN0207' prints what is said here of one.

| severity | meaning |
|---|---|
| error | something is out of service, or stays on an old state |
| warning | something is served, but not as it was written |
| notice | something worth knowing; nothing has to be done |
`
