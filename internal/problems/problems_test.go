package problems

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEveryCodeIsComplete: one entry per code, in order, in the group of its
// number, with all that a reader wants to know.
func TestEveryCodeIsComplete(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^DMN[0-9]{4}$`)
	seen := map[string]bool{}
	for _, g := range Groups() {
		if len(g.Codes) == 0 || g.Title == "" {
			t.Errorf("group %q has nothing", g.Title)
		}
		if !slices.IsSortedFunc(g.Codes, func(a, b Code) int { return cmp.Compare(a.Code, b.Code) }) {
			t.Errorf("%s: the codes do not rise", g.Title)
		}
		for _, c := range g.Codes {
			if seen[c.Code] {
				t.Errorf("%s has two entries", c.Code)
			}
			seen[c.Code] = true
			if !form.MatchString(c.Code) || c.Meaning == "" || c.Do == "" || !regexp.MustCompile(`^(error|warning|notice)`).MatchString(c.Severity) {
				t.Errorf("%+v", c)
			}
			if _, found, ok := Find(c.Code); !ok || found != c {
				t.Errorf("%s is not found", c.Code)
			}
		}
	}
	if _, _, ok := Find("DMN9999"); ok {
		t.Error("DMN9999 is found")
	}
}

func TestMarkdownHasOneRowPerCode(t *testing.T) {
	t.Parallel()
	text, n := Markdown(), 0
	for _, g := range Groups() {
		n += len(g.Codes)
	}
	if rows := strings.Count(text, "\n| `DMN"); rows != n {
		t.Errorf("%d rows for %d codes", rows, n)
	}
	if !strings.Contains(text, `\| daemun up -`) {
		t.Error("a bar in a cell ends it")
	}
}

func TestPlainHasNoLinks(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                              "",
		"see [a.md](a.md), [b](c#d)":    "see a.md, b",
		"[in brackets], (in others) ](": "[in brackets], (in others) ](",
	} {
		if got := Plain(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
