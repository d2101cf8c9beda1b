package console

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"daemun/internal/explain"
	"daemun/internal/table"
)

// WriteAnswer prints the decision trail of one request: the verdict first, then
// what it rests on.
func WriteAnswer(w io.Writer, a *explain.Answer) error {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(tw, "%s\t%s\n", name, text)
		}
	}
	t := a.Trail
	line("Request", a.Method+" "+a.URL)
	line("Result", a.Result)
	line("Rule", rule(a.Won))
	line("Nearest", rule(a.Nearest))
	line("Hint", a.Hint)
	line("Listener", a.Listener)
	line("Certificate", a.Certificate)
	if t.HostReason != "" {
		line("Host", orStar(t.Block)+": "+t.HostReason)
	}
	for _, n := range t.NearHosts {
		fmt.Fprintf(tw, "\tnot %s: %s\n", orStar(n.Name), n.Reason)
	}
	line("Path", path(t.Readings))
	line("Upstream", a.Upstream)
	if err := tw.Flush(); err != nil {
		return err
	}
	writeSteps(w, a)
	writePolicies(w, a)
	writeEndpoints(w, a)
	if len(a.Problems) > 0 {
		fmt.Fprintf(w, "\nProblems:\n")
	}
	for _, p := range a.Problems {
		fmt.Fprintf(w, "  %s: %s\n", p.Severity, p)
	}
	return nil
}

// rule prints a rule with its owner and place, and how it fared.
func rule(r *explain.Rule) string {
	if r == nil {
		return ""
	}
	text := r.Text
	if r.Ingress.Name != "" {
		text += " of " + r.Ingress.String()
	}
	if r.Place != "" {
		text += " at " + r.Place
	}
	return text + ": " + r.Reason
}

func path(r table.Readings) string {
	text := r.Raw
	if r.Matched != "" && r.Matched != r.Raw {
		text += ", matched as " + r.Matched
	}
	if r.Strict != "" {
		text += fmt.Sprintf("; strictly %s (%s)", r.Strict, r.StrictRoute)
	}
	if r.Permissive != "" {
		text += fmt.Sprintf("; leniently %s (%s)", r.Permissive, r.PermissiveRoute)
	}
	return text
}

func writeSteps(w io.Writer, a *explain.Answer) {
	t := a.Trail
	if len(t.Steps) == 0 || len(t.Steps) == 1 && t.Steps[0].Ingress.Name == "" {
		return // only the built-in answer
	}
	how := "exact beats prefix, the longest prefix wins"
	if t.RegexMode {
		how = "all are regular expressions, the first match wins"
		if a.RegexBecause != "" {
			how += "; because of " + a.RegexBecause
		}
	}
	fmt.Fprintf(w, "\nPaths of this host (%s):\n", how)
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for i, s := range t.Steps {
		mark := " "
		if i == t.Winner {
			mark = "▸"
		} else if s.Verdict == table.Won { // the path is refused
			s.Verdict = "would win"
		}
		fmt.Fprintf(tw, "%s %s\t%s\t%s\t%s\n", mark, s.Pattern, s.Match, s.Verdict, strings.TrimPrefix(s.Reason, string(s.Verdict)+": "))
	}
	_ = tw.Flush() // only fails when w does, and the next write tells
}

func writePolicies(w io.Writer, a *explain.Answer) {
	if len(a.Policies) == 0 {
		return
	}
	fmt.Fprintf(w, "\nPolicies:\n")
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, p := range a.Policies {
		source := p.Source
		if p.Place != "" {
			source += " at " + p.Place
		}
		fmt.Fprintf(tw, "  %s\t%s\t(%s)\n", p.Name, p.Value, source)
	}
	_ = tw.Flush() // as above
}

func writeEndpoints(w io.Writer, a *explain.Answer) {
	if len(a.Endpoints) == 0 {
		return
	}
	fmt.Fprintf(w, "\nEndpoints:\n")
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, e := range a.Endpoints {
		fmt.Fprintf(tw, "  %s\t%s", e.Address, e.State)
		if e.Pod != "" {
			fmt.Fprintf(tw, "\t%s", e.Pod)
		}
		fmt.Fprintln(tw)
	}
	_ = tw.Flush() // as above
}
