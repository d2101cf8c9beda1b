package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"daemun/internal/admin"
	"daemun/internal/console"
	"daemun/internal/tap"
)

// tapping is what `tap` is asked for.
type tapping struct {
	filter map[string]*string
	rate   int
	count  int
	output string
}

func tapCommand() *cobra.Command {
	t := tapping{filter: map[string]*string{}}
	cmd := &cobra.Command{
		Use:   "tap [flags]",
		Short: "Show requests of a running Daemun as they pass",
		Long: `Print finished requests of a running Daemun, one line each, until Ctrl-C.
Credentials are taken out before they leave it. When there are more requests than
the rate, the others are counted.`,
		Example: "  daemun tap\n  daemun tap --host shop.example --status 5xx\n  daemun tap --path /cart -X POST --count 10 -o json",
		Args:    cobra.NoArgs,
	}
	address := adminFlag(cmd)
	f := cmd.Flags()
	t.filter["host"] = f.String("host", "", "only requests for this host name")
	t.filter["path"] = f.String("path", "", "only requests with a path that begins so")
	t.filter["status"] = f.String("status", "", "only answers with this status, or class such as 5xx")
	t.filter["method"] = f.StringP("method", "X", "", "only requests with this method")
	t.filter["route"] = f.String("route", "", "only requests of this route: host and path as written")
	f.IntVar(&t.rate, "rate", 0, "most requests per second; 0 is what the running Daemun thinks fit")
	f.IntVar(&t.count, "count", 0, "end after so many requests; 0 is never")
	f.StringVarP(&t.output, "output", "o", "", "json: one object per line")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		q, err := t.query()
		if err != nil {
			return usageError{err}
		}
		body, err := (admin.Client{Address: *address}).Open(cmd.Context(), "/api/tap", q)
		if err != nil {
			return err
		}
		defer body.Close()
		fmt.Fprintln(cmd.ErrOrStderr(), "watching requests at "+*address+"; Ctrl-C ends it")
		err = t.copy(cmd.OutOrStdout(), body)
		if cmd.Context().Err() != nil {
			return nil // Ctrl-C is how watching ends
		}
		return err
	}
	return cmd
}

func (t *tapping) query() (url.Values, error) {
	q := url.Values{}
	for name, value := range t.filter {
		if *value != "" {
			q.Set(name, *value)
		}
	}
	if _, err := tap.ParseFilter(q.Get); err != nil {
		return nil, fmt.Errorf("--%w", err)
	}
	for name, n := range map[string]int{"rate": t.rate, "count": t.count} {
		if n < 0 {
			return nil, fmt.Errorf("--%s %d: want a number from 0", name, n)
		}
		if n > 0 {
			q.Set(name, strconv.Itoa(n))
		}
	}
	if t.output != "" && t.output != "json" {
		return nil, fmt.Errorf("--output %q: want json", t.output)
	}
	return q, nil
}

// maxSample bounds one line; a sample is a few KiB.
const maxSample = 1 << 20

// copy prints samples until there are no more.
func (t *tapping) copy(w io.Writer, body io.Reader) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxSample)
	var missed uint64
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			if unread(w) {
				return nil
			}
			continue // that the connection still stands
		}
		if t.output == "json" {
			if _, err := fmt.Fprintf(w, "%s\n", line); err != nil {
				return err
			}
			continue
		}
		var s struct {
			tap.Sample
			Skipped uint64 `json:"skipped"`
		}
		if err := json.Unmarshal(line, &s); err != nil {
			return fmt.Errorf("read a request: %w", err)
		}
		if err := console.WriteSample(w, &s.Sample, s.Skipped-min(missed, s.Skipped)); err != nil {
			return err
		}
		missed = s.Skipped
	}
	return lines.Err()
}
