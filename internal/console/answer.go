package console

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"daemun/internal/explain"
	"daemun/internal/table"
)

// WriteAnswer prints the decision trail of one request.
func WriteAnswer(w io.Writer, a *explain.Answer) error {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(tw, "Request\t%s %s\n", a.Method, a.URL)
	fmt.Fprintf(tw, "Result\t%s\n", a.Result)
	fmt.Fprintf(tw, "Listener\t%s\n", a.Listener)
	if a.Certificate != "" {
		fmt.Fprintf(tw, "Certificate\t%s\n", a.Certificate)
	}
	t := a.Trail
	fmt.Fprintf(tw, "Host\t%s: %s\n", orStar(t.Block), t.HostReason)
	for _, n := range t.NearHosts {
		fmt.Fprintf(tw, "\tnot %s: %s\n", orStar(n.Name), n.Reason)
	}
	fmt.Fprintf(tw, "Path\t%s\n", path(t.Readings))
	fmt.Fprintf(tw, "Route\t%s\n", t.Reason)
	if err := tw.Flush(); err != nil {
		return err
	}
	writeSteps(w, t)
	writePolicies(w, a)
	writeEndpoints(w, a)
	for _, p := range a.Problems {
		fmt.Fprintf(w, "\n%s: %s\n", p.Severity, p)
	}
	return nil
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

func writeSteps(w io.Writer, t table.Trail) {
	if len(t.Steps) == 0 {
		return
	}
	how := "exact beats prefix, the longest prefix wins"
	if t.RegexMode {
		how = "regular expressions, the first match wins"
	}
	fmt.Fprintf(w, "\nRoutes of this host (%s):\n", how)
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for i, s := range t.Steps {
		mark := " "
		if i == t.Winner {
			mark = "▸"
		}
		fmt.Fprintf(tw, "%s %s\t%s\t%s\t%s\n", mark, s.Pattern, s.Match, s.Verdict, s.Reason)
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
		fmt.Fprintf(tw, "  %s\t%s\t(%s)\n", p.Name, p.Value, p.Source)
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
		addr := e.Addr.String()
		if !e.Addr.IsValid() {
			addr = fmt.Sprintf("%s:%d", e.Host, e.Port)
		}
		fmt.Fprintf(tw, "  %s\t%s\n", addr, strings.TrimSpace(e.Pod))
	}
	_ = tw.Flush() // as above
}
