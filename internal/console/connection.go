package console

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"daemun/internal/explain"
	"daemun/internal/l4"
)

// WriteConnection prints the trail of a connection to a Service: the verdict
// first, then what it rests on.
func WriteConnection(w io.Writer, c *explain.Connection) error {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(tw, "%s\t%s\n", name, text)
		}
	}
	line("Connection", c.URL)
	line("Result", c.Result)
	line("Hint", c.Hint)
	service := ""
	if c.Service.Name != "" {
		service = c.Service.Namespace + "/" + c.Service.Name
		if c.Place != "" {
			service += " at " + c.Place
		}
	}
	line("Service", service)
	if c.Name != "" {
		line("DNS", strings.TrimSpace(c.Name+" is "+strings.Join(c.Names, ", ")))
	}
	if c.To.IsValid() {
		line("Address", strings.TrimSpace(fmt.Sprintf("%s/%s %s", c.To, c.Transport, c.Kind)))
		line("Client", client(c))
	}
	for _, o := range c.Others {
		line("Not", o.String()+", which claims the same address")
	}
	if c.Affinity > 0 {
		line("Affinity", fmt.Sprintf("a client keeps its endpoint until %v after its last connection", c.Affinity.D()))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	writeWays(w, c.Ways)
	writeCandidates(w, c.Endpoints)
	if len(c.Problems) > 0 {
		fmt.Fprintf(w, "\nProblems:\n")
	}
	for _, p := range c.Problems {
		fmt.Fprintf(w, "  %s: %s\n", p.Severity, p)
	}
	return nil
}

// client says where a client is.
func client(c *explain.Connection) string {
	switch {
	case c.ClientNode == "":
		return fmt.Sprintf("%s, outside of all nodes", c.Client)
	case c.ClientPod:
		return fmt.Sprintf("%s, a Pod on node %s", c.Client, c.ClientNode)
	}
	return fmt.Sprintf("%s, node %s", c.Client, c.ClientNode)
}

// writeWays says what happens on each node that may take the connection.
func writeWays(w io.Writer, ways []l4.Way) {
	if len(ways) == 0 {
		return
	}
	fmt.Fprintf(w, "\nNodes that may take it:\n")
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, way := range ways {
		text := way.Verdict.String()
		if way.Verdict == l4.Forward {
			text = fmt.Sprintf("%d endpoints of the %s set, which see %s", len(way.Endpoints), way.Set, way.Source)
			if len(way.Endpoints) == 1 {
				text = fmt.Sprintf("1 endpoint of the %s set, which sees %s", way.Set, way.Source)
			}
			if way.SourceElse.IsValid() && way.SourceElse != way.Source {
				text += fmt.Sprintf(" (or %s where that is no address of this machine)", way.SourceElse)
			}
		}
		name := way.Node
		if name == "" {
			name = "(none)"
		}
		fmt.Fprintf(tw, "  %s\t%s\n", name, text)
	}
	_ = tw.Flush() // only fails when w does, and the next write tells
}

func writeCandidates(w io.Writer, list []l4.Candidate) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(w, "\nEndpoints:\n")
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, e := range list {
		mark, address := " ", e.Addr.String()
		if e.Chosen {
			mark = "▸"
		}
		if e.Addr.Port() == 0 { // headless: any port
			address = e.Addr.Addr().String()
		}
		row := fmt.Sprintf("%s %s\t%s\t%s", mark, address, e.Pod, e.Node)
		if e.Reason != "" {
			row += "\t" + e.Reason
		}
		fmt.Fprintln(tw, row)
	}
	_ = tw.Flush() // only fails when w does, and the next write tells
}
