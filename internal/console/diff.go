package console

import (
	"cmp"
	"fmt"
	"io"

	"daemun/internal/diff"
)

// WriteDiff prints changes, one line each, and a line per value.
func WriteDiff(w io.Writer, changes []diff.Change) error {
	for _, c := range changes {
		what := c.Host + c.Path
		switch {
		case c.Host == "":
			what = "all hosts"
		case c.Path == "":
			what = "host " + c.Host
		default:
			what += " (" + c.Match + ")"
		}
		if c.Kind != diff.Changed && c.Goes != "" {
			what += " → " + c.Goes
		}
		if _, err := fmt.Fprintf(w, "%s %s\n", c.Kind, what); err != nil {
			return err
		}
		for _, v := range c.Values {
			if _, err := fmt.Fprintf(w, "    %s: %s → %s\n", v.Name, cmp.Or(v.Before, "none"), cmp.Or(v.After, "none")); err != nil {
				return err
			}
		}
	}
	return nil
}
