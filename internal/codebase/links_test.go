package codebase

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pages are the documents whose links are checked.
func pages(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md", "examples/*.md", "examples/*/*.md", "examples/*/*/*.md", "charts/*/*.md", "test/*/*.md", "bench/*.md"} {
		files, err := filepath.Glob(filepath.Join("../..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			found = append(found, strings.TrimPrefix(filepath.ToSlash(file), "../../"))
		}
	}
	return found
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	fenced  = regexp.MustCompile("(?ms)^```.*?^```$")
	inline  = regexp.MustCompile("`[^`\n]*`")
)

// TestLinksLeadSomewhere checks the files and headings that documents link to.
// Links to other sites are theirs to keep.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	for _, page := range pages(t) {
		prose := inline.ReplaceAllString(fenced.ReplaceAllString(read(t, page), ""), "")
		for _, m := range link.FindAllStringSubmatch(prose, -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			to := page
			if target != "" {
				to = filepath.ToSlash(filepath.Join(filepath.Dir(page), target))
			}
			if _, err := os.Stat(filepath.Join("../..", to)); err != nil || strings.HasPrefix(to, "..") {
				t.Errorf("%s: link to %s leads nowhere", page, m[1])
				continue
			}
			if anchor != "" && !anchors(read(t, to))[anchor] {
				t.Errorf("%s: link to %s: %s has no such heading", page, m[1], to)
			}
		}
	}
}

// anchors are the names that a page's headings have on GitHub and its like.
func anchors(text string) map[string]bool {
	names := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r > 0x7f:
				return r
			}
			return -1
		}, strings.ToLower(m[1]))
		names[name] = true
	}
	return names
}

// TestCommandsInDocsAreRunOrListed: a block of commands is either one that the
// tests of examples run, or its page is in the list of docs/README.md.
func TestCommandsInDocsAreRunOrListed(t *testing.T) {
	t.Parallel()
	_, listed, found := strings.Cut(read(t, "docs/README.md"), "\n## Commands that are not run as written\n")
	if !found {
		t.Fatal("docs/README.md has no list of commands that are not run")
	}
	for _, page := range pages(t) {
		name, ok := strings.CutPrefix(page, "docs/")
		if !ok {
			continue
		}
		text := read(t, page)
		for _, block := range fenced.FindAllString(text, -1) {
			opening, _, _ := strings.Cut(block, "\n")
			run := opening == "```console" && strings.Contains(text, "\n$ daemun up ")
			data := opening == "```yaml" || opening == "```json" || opening == "```go" || opening == "```text"
			if !run && !data && !strings.Contains(listed, "| ["+name+"]") {
				t.Errorf("%s has commands that no test runs; list the page in docs/README.md:\n%s", page, block)
			}
		}
	}
}
