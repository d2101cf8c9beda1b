package waf

import (
	"io/fs"
	"regexp"
	"strings"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
)

var (
	numberOfRule = regexp.MustCompile(`[",\s]id:\s*'?([0-9]+)`)
	oneUpdated   = regexp.MustCompile(`(?i)^SecRuleUpdate(?:Target|Action)ById\s+"?([0-9]+)"?\s`)
)

// except puts the directives that change or remove rules behind the rules:
// libmodsecurity asks them when a request is there, so that they may come before
// the rules they are about, as a snippet does before enable-owasp-core-rules,
// while Coraza carries them out where they are. Rules are removed last and those
// that are not there are not changed, since Coraza refuses that.
func (p *program) except() {
	known := p.numbers()
	for _, l := range p.updates {
		if m := oneUpdated.FindStringSubmatch(l.text); m == nil || known[m[1]] {
			p.add(l)
		}
	}
	p.lines = append(p.lines, p.removals...)
}

// numbers are the ids of the rules that the text has; nil where nobody asks.
func (p *program) numbers() map[string]bool {
	if len(p.updates) == 0 {
		return nil
	}
	known := map[string]bool{}
	note := func(text string) {
		for _, m := range numberOfRule.FindAllStringSubmatch(text, -1) {
			known[m[1]] = true
		}
	}
	for _, l := range p.lines {
		note(l.text)
	}
	if p.setup {
		note(ofSet("@crs-setup.conf.example"))
	}
	if p.core {
		note(ofSet("@owasp_crs/*.conf"))
	}
	return known
}

// ofSet is the text of a set of rules.
func ofSet(pattern string) string {
	var b strings.Builder
	names, _ := fs.Glob(coreruleset.FS, pattern) // the patterns are good
	for _, name := range names {
		text, _ := fs.ReadFile(coreruleset.FS, name) // a file that is not there has no rules
		b.Write(text)
		b.WriteByte('\n')
	}
	return b.String()
}
