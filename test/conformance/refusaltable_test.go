package conformance

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sections are the groups of rules in docs/hardening.md.
var sections = []struct{ prefix, name string }{
	{"H1.", "parsing"}, {"H2.", "framing of bodies"}, {"H3.", "hosts"},
}

// refusalTable counts by section.
func refusalTable(t *testing.T, refused map[string]map[string]int) string {
	t.Helper()
	programs := []string{"Daemun", "nginx", "HAProxy"}
	var b strings.Builder
	fmt.Fprintf(&b, "| messages about | rules | number | Daemun | nginx %s | HAProxy %s |\n|---|---|---:|---:|---:|---:|\n",
		versionOf("nginx", "-v"), versionOf("haproxy", "-v"))
	total := map[string]int{}
	row := func(name, rules string, counts map[string]int) {
		fmt.Fprintf(&b, "| %s | %s | %d |", name, rules, counts["all"])
		for _, p := range programs {
			fmt.Fprintf(&b, " %d |", counts[p])
		}
		b.WriteString("\n")
	}
	for _, s := range sections {
		counts := map[string]int{}
		var rules []string
		for _, rule := range slices.Sorted(maps.Keys(refused)) {
			if !strings.HasPrefix(rule, s.prefix) {
				continue
			}
			rules = append(rules, rule)
			for name, n := range refused[rule] {
				counts[name] += n
				total[name] += n
			}
		}
		row(s.name, strings.Join(rules, ", "), counts)
	}
	row("all", "", total)
	return b.String()
}

// versionOf is the number in what a program says of itself.
func versionOf(name string, args ...string) string {
	cmd := exec.Command(name, args...)
	if cmd.Err != nil {
		cmd = exec.Command("/usr/sbin/"+name, args...) // where Debian has it
	}
	out, _ := cmd.CombinedOutput()
	return string(regexp.MustCompile(`\d+\.\d+\.\d+`).Find(out))
}

// writeTable puts it into the place that docs/security.md has for it.
func writeTable(t *testing.T, table string) {
	t.Helper()
	const file, begin, end = "../../docs/security.md", "<!-- refusals -->\n", "<!-- end -->"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		t.Fatalf("%s has no place for the table", file)
	}
	if err := os.WriteFile(file, []byte(before+begin+table+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
