package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"daemun/internal/admin"
	"daemun/internal/console"
)

func topCommand() *cobra.Command {
	order, output, once := console.TopOrder{By: "requests"}, "", false
	interval := 2 * time.Second
	cmd := &cobra.Command{
		Use:   "top [routes|backends] [flags]",
		Short: "Show the busiest routes of a running Daemun",
		Long: `Print what routes, or backends, do now: requests and answers with 5xx per second,
and how long requests take, averaged over the last ten to twenty seconds, then all
requests and 5xx since the route exists. On a terminal the table is refreshed until Ctrl-C; otherwise it is printed once.`,
		Example:   "  daemun top\n  daemun top backends --sort-by p99\n  daemun top --once -o json",
		Args:      oneOf("routes", "backends"),
		ValidArgs: []string{"routes", "backends"},
	}
	address := adminFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&order.By, "sort-by", order.By, "requests, errors or p99")
	f.IntVar(&order.Rows, "rows", 0, "most rows to print; 0 is all, on a terminal as many as fit")
	f.BoolVar(&once, "once", false, "print the table once, on a terminal too")
	f.DurationVar(&interval, "interval", interval, "time between two tables")
	f.StringVarP(&output, "output", "o", "", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		order.Backends = slices.Contains(args, "backends")
		switch {
		case !slices.Contains([]string{"requests", "errors", "p99"}, order.By):
			return usageError{fmt.Errorf("--sort-by %q: want requests, errors or p99", order.By)}
		case output != "" && output != "json":
			return usageError{fmt.Errorf("--output %q: want json", output)}
		case interval <= 0:
			return usageError{fmt.Errorf("--interval %s: want a time above 0", interval)}
		}
		show := func(w io.Writer, o console.TopOrder) error {
			var list struct {
				Items []admin.Busy `json:"items"`
			}
			if err := (admin.Client{Address: *address}).Get(cmd.Context(), "/api/v1/top", nil, &list); err != nil {
				return err
			}
			if output == "json" {
				e := json.NewEncoder(w)
				e.SetIndent("", "  ")
				return e.Encode(list.Items)
			}
			return console.WriteTop(w, list.Items, o)
		}
		screen, ok := cmd.OutOrStdout().(*os.File)
		if once || output == "json" || !ok || !term.IsTerminal(int(screen.Fd())) {
			return show(cmd.OutOrStdout(), order)
		}
		return refresh(cmd, screen, interval, func(w io.Writer, rows int) error {
			o := order
			if o.Rows == 0 || o.Rows > rows {
				o.Rows = rows
			}
			return show(w, o)
		})
	}
	return cmd
}

// refresh shows a table again and again until Ctrl-C. Each one is written at
// once, over the last one, so that nothing flickers.
func refresh(cmd *cobra.Command, screen *os.File, interval time.Duration, show func(w io.Writer, rows int) error) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		rows := 20
		if _, height, err := term.GetSize(int(screen.Fd())); err == nil {
			rows = max(1, height-2) // the headers, and the line of the cursor
		}
		var table bytes.Buffer
		err := show(&table, rows)
		if cmd.Context().Err() != nil {
			return nil // Ctrl-C is how watching ends
		}
		if err != nil {
			return err
		}
		// Home, each line cleared behind its text, everything below cleared.
		text := bytes.ReplaceAll(table.Bytes(), []byte("\n"), []byte("\x1b[K\n"))
		if _, err := fmt.Fprintf(screen, "\x1b[H%s\x1b[J", text); err != nil {
			return err
		}
		select {
		case <-cmd.Context().Done():
			return nil
		case <-ticker.C:
		}
	}
}
