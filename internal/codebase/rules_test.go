package codebase

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestRulesHaveTests holds docs/hardening.md against the tests that there are
// (H12.3): each rule says in what state it is, each test that it names exists in
// the package that it names, and each test that is named after a rule belongs to
// one.
func TestRulesHaveTests(t *testing.T) {
	t.Parallel()
	text, _, ok := strings.Cut(read(t, "docs/hardening.md"), "### What reads outside input")
	if !ok {
		t.Fatal("docs/hardening.md has no list of parsers")
	}
	tests := testsByName(t)
	rules := map[string]bool{}
	apart := strings.ReplaceAll(text, "\n- **", "\n\n- **") // each rule ends with an empty line
	for _, m := range regexp.MustCompile(`(?ms)^- \*\*(H\d+\.\d+)\*\* (.*?)^$`).FindAllStringSubmatch(apart, -1) {
		rule, body := m[1], strings.Join(strings.Fields(m[2]), " ")
		rules[rule] = true
		at := regexp.MustCompile(` — (held|partly|later|a habit)`).FindStringSubmatchIndex(body)
		if at == nil {
			t.Errorf("%s does not say in what state it is", rule)
			continue
		}
		checkRule(t, rule, body[at[2]:], tests)
	}
	for _, m := range regexp.MustCompile(`(?m)^\| (H\d+\.\d+) \|`).FindAllStringSubmatch(text, -1) {
		rules[m[1]] = true
	}
	for name, dirs := range tests {
		if m := regexp.MustCompile(`^TestH(\d+)_(\d+)`).FindStringSubmatch(name); m != nil && !rules["H"+m[1]+"."+m[2]] {
			t.Errorf("%s in %v is named after a rule that is not there", name, dirs)
		}
	}
	if len(rules) < 120 {
		t.Errorf("found %d rules only", len(rules))
	}
}

// checkRule looks for the tests that a state names: names with commas between
// them, then their package in brackets.
func checkRule(t *testing.T, rule, state string, tests map[string][]string) {
	t.Helper()
	named := regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w*`).FindAllStringIndex(state, -1)
	if len(named) == 0 && strings.HasPrefix(state, "held") && !strings.Contains(state, "by construction") && !strings.HasPrefix(state, "held: as H") {
		t.Errorf("%s is held and names no test", rule)
	}
	in := regexp.MustCompile(`\(([a-z0-9/]+(?:, [a-z0-9/]+)*)\)|\bin ([a-z0-9/]+)\b`)
	for _, at := range named {
		name := state[at[0]:at[1]]
		dirs := tests[name]
		if len(dirs) == 0 {
			t.Errorf("%s names %s, which is not there", rule, name)
			continue
		}
		m := in.FindStringSubmatch(state[at[1]:])
		if m == nil {
			continue
		}
		if !slices.ContainsFunc(strings.Split(m[1]+m[2], ", "), func(p string) bool { return slices.Contains(dirs, p) }) {
			t.Errorf("%s says that %s is in %s%s; it is in %v", rule, name, m[1], m[2], dirs)
		}
	}
}

// testsByName are all tests and fuzz targets with their folders, below internal
// without that.
func testsByName(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	for _, root := range []string{"internal", "test", "cmd"} {
		err := filepath.WalkDir(filepath.FromSlash("../../"+root), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			dir := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../../")
			dir = strings.TrimPrefix(dir, "internal/")
			for _, m := range declared.FindAllSubmatch(text, -1) {
				found[string(m[1])] = append(found[string(m[1])], dir)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}
