package explain

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"daemun/internal/ir"
)

// cors prints what CORS allows, "" when it is off.
func cors(c *ir.CORS) string {
	switch {
	case c == nil:
		return ""
	case len(c.Origins) == 0:
		return "no origin"
	}
	return "origins " + listed(c.Origins)
}

func prefixes(list []netip.Prefix) string {
	texts := make([]string, len(list))
	for i, p := range list {
		texts[i] = p.String()
	}
	return listed(texts)
}

func replacement(r *ir.Replacement) string {
	if r == nil {
		return ""
	}
	return fmt.Sprintf("%s → %s", r.From, r.To)
}

func fieldNames(fields []ir.Field) string {
	texts := make([]string, len(fields))
	for i, f := range fields {
		texts[i] = f.Name
	}
	return strings.Join(texts, ", ")
}

// edits prints which fields one side of the edits changes.
func edits(f *ir.FieldEdits, side func(*ir.FieldEdits) []ir.FieldEdit) string {
	if f == nil {
		return ""
	}
	var texts []string
	for _, e := range side(f) {
		texts = append(texts, fmt.Sprintf("%s %s", e.Kind, e.Name))
	}
	return strings.Join(texts, ", ")
}

// script prints the steps of a snippet, which are not run here: they depend on
// more of a request than its URL.
func script(s *ir.Script) string {
	if s == nil {
		return ""
	}
	var texts []string
	for _, step := range s.Steps {
		if step.If == nil {
			texts = append(texts, action(&step.Action))
			continue
		}
		var then []string
		for i := range step.Then {
			then = append(then, action(&step.Then[i]))
		}
		condition := step.If.Left
		if step.If.Op != ir.Holds {
			condition += fmt.Sprintf(" %s %q", step.If.Op, step.If.Right)
		}
		texts = append(texts, fmt.Sprintf("if %s: %s", condition, cmp.Or(strings.Join(then, ", "), "other settings")))
	}
	return strings.Join(texts, "; ")
}

// snippetText is what snippets have said of a route.
func snippetText(r *ir.Route) string {
	text := script(r.Script)
	if s := r.Substitution; s != nil {
		var pairs []string
		for _, p := range s.Pairs {
			pairs = append(pairs, fmt.Sprintf("%q by %q", p.From, p.To))
		}
		text = joined(text, "replaces in contents "+strings.Join(pairs, ", "))
	}
	if z := r.ZoneLimits; z != nil {
		text = zoneLimits(text, z)
	}
	for _, p := range r.ErrorPages {
		text = joined(text, errorPage(&p))
	}
	return text
}

// zoneLimits prints limits by zones behind a text.
func zoneLimits(text string, z *ir.ZoneLimits) string {
	for _, l := range z.Requests {
		limit := fmt.Sprintf("at most %s r/s for each %s (zone %s)", strconv.FormatFloat(float64(l.Zone.Rate)/1000, 'f', -1, 64), l.Zone.Key, l.Zone.Name)
		if l.Burst > 0 {
			limit += fmt.Sprintf(", %d ahead, of which %d wait", l.Burst, l.Burst-l.AtOnce)
		}
		text = joined(text, limit)
	}
	for _, l := range z.Running {
		text = joined(text, fmt.Sprintf("at most %d at one time for each %s (zone %s)", l.Most, l.Zone.Key, l.Zone.Name))
	}
	return text
}

func joined(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// errorPage prints what stands in for the page of a status.
func errorPage(p *ir.ErrorPage) string {
	text := "answers " + strings.Trim(fmt.Sprint(p.Statuses), "[]") + " by " + p.To
	switch {
	case p.OwnStatus:
		return text + " with its status"
	case p.Status != 0:
		return fmt.Sprintf("%s with %d", text, p.Status)
	}
	return text
}

func action(a *ir.Action) string {
	switch {
	case a.Set != nil:
		return fmt.Sprintf("set $%s to %q", a.Set.Name, a.Set.Value)
	case a.Return != nil && a.Return.Text != "":
		return fmt.Sprintf("return %d %q", a.Return.Status, a.Return.Text)
	case a.Return != nil:
		return fmt.Sprintf("return %d", a.Return.Status)
	case a.Rewrite != nil && a.Rewrite.Status != 0:
		return fmt.Sprintf("redirect %s with %d to %s", a.Rewrite.Pattern, a.Rewrite.Status, a.Rewrite.Path)
	case a.Rewrite != nil:
		return fmt.Sprintf("rewrite %s to %s", a.Rewrite.Pattern, a.Rewrite.Path)
	}
	return "break"
}

func basicAuth(a *ir.BasicAuth) string {
	switch {
	case a == nil:
		return ""
	case a.Digest:
		return "digest, realm " + strconv.Quote(a.Realm) + ", users of Secret " + a.Secret
	}
	return "basic, realm " + strconv.Quote(a.Realm) + ", users of Secret " + a.Secret
}

// limit prints one of the limits, with what it allows at once.
func limit(r *ir.Route, which func(*ir.Limits) int) string {
	if r.Limits == nil || which(r.Limits) == 0 {
		return ""
	}
	text := strconv.Itoa(which(r.Limits))
	if len(r.Limits.Exempt) > 0 {
		text += ", except for " + prefixes(r.Limits.Exempt)
	}
	return text
}

func sizeOrNothing(n int64) string {
	if n == 0 {
		return "0"
	}
	return size(n)
}

func responseBuffering(b *ir.ResponseBuffering) string {
	if b == nil {
		return ""
	}
	return fmt.Sprintf("%s in memory, %s on disk", size(b.Memory), sizeOrNothing(b.Disk))
}

func externalAuth(a *ir.ExternalAuth) string {
	switch {
	case a == nil:
		return ""
	case a.OwnHost:
		return a.URL + ", answered by the route of this host" + authVariables(a)
	}
	return fmt.Sprintf("%s, asked of %s", a.URL, a.Backend) + authVariables(a)
}

// authVariables prints what snippets take from the answer.
func authVariables(a *ir.ExternalAuth) (text string) {
	for _, v := range a.Variables {
		text += fmt.Sprintf(", $%s is %s of its answer", v.Name, v.Value)
	}
	return text
}

func clientAuth(c *ir.ClientAuth) string {
	switch {
	case c == nil:
		return ""
	case c.Broken:
		return fmt.Sprintf("Secret %s cannot be used: every request gets 403", c.Secret)
	case c.MatchCN != "":
		return fmt.Sprintf("%s, CAs of Secret %s, subject matches %s", c.Mode, c.Secret, c.MatchCN)
	}
	return fmt.Sprintf("%s, CAs of Secret %s", c.Mode, c.Secret)
}
