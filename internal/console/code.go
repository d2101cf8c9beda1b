package console

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	reference "daemun/internal/problems"
)

// Code is what is known of a problem code, as `explain` prints it.
type Code struct {
	Code     string `json:"code"`
	Group    string `json:"group"`
	Severity string `json:"severity"`
	Meaning  string `json:"meaning"`
	Do       string `json:"do"`
}

// FindCode looks a code up as it is typed, in either case.
func FindCode(text string) (Code, bool) {
	group, c, ok := reference.Find(strings.ToUpper(text))
	return Code{c.Code, group.Title, c.Severity, c.Meaning, c.Do}, ok
}

// WriteCode prints it. Backquotes are for pages, not for a terminal.
func WriteCode(w io.Writer, c Code) error {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, line := range [][2]string{{"Code", c.Code}, {"Of", c.Group}, {"Severity", c.Severity}, {"Meaning", c.Meaning}, {"What to do", c.Do}} {
		fmt.Fprintf(tw, "%s\t%s\n", line[0], strings.ReplaceAll(reference.Plain(line[1]), "`", ""))
	}
	return tw.Flush()
}
