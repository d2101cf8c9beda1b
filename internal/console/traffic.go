package console

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"daemun/internal/admin"
	"daemun/internal/ir"
	"daemun/internal/tap"
)

// WriteSample prints a finished request as one line. skipped is how many
// matched and were not shown since the last line.
func WriteSample(w io.Writer, s *tap.Sample, skipped uint64) error {
	if skipped > 0 {
		fmt.Fprintf(w, "… %d more requests in between\n", skipped)
	}
	query := ""
	if s.Query != "" {
		query = "?" + s.Query
	}
	to := s.Ingress
	if s.Backend != "" {
		to += " " + s.Backend
	}
	if s.Endpoint != "" {
		to += " " + s.Endpoint
	}
	_, err := fmt.Fprintf(w, "%s  %d  %-7s %s://%s%s%s  %s  %s → %s\n", s.Time.Format("15:04:05.000"), s.Status, s.Method,
		s.Scheme, s.Host, s.Path, query, took(s.Seconds), s.Client, cmp.Or(strings.TrimSpace(to), "Daemun itself"))
	return err
}

// took prints a duration with three digits at most.
func took(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}

// TopOrder is what the rows of top are ordered by.
type TopOrder struct {
	// By is "requests", "errors" or "p99"; Backends joins the routes to one.
	By       string
	Backends bool
	// Rows bounds the table; 0 is all.
	Rows int
}

// WriteTop prints the busiest routes, or backends.
func WriteTop(w io.Writer, rows []admin.Busy, o TopOrder) error {
	if o.Backends {
		rows = joined(rows)
	}
	// What was before decides where nothing is now.
	key, before := func(b *admin.Busy) float64 { return b.Requests }, func(b *admin.Busy) uint64 { return b.Total }
	switch o.By {
	case "errors":
		key, before = func(b *admin.Busy) float64 { return b.Failed }, func(b *admin.Busy) uint64 { return b.TotalFailed }
	case "p99":
		key = func(b *admin.Busy) float64 { return b.P99 }
	}
	slices.SortStableFunc(rows, func(a, b admin.Busy) int {
		return cmp.Or(cmp.Compare(key(&b), key(&a)), cmp.Compare(before(&b), before(&a)))
	})
	if o.Rows > 0 && len(rows) > o.Rows {
		rows = rows[:o.Rows]
	}
	tw := tabwriter.NewWriter(w, 0, 8, 3, ' ', 0)
	if o.Backends {
		fmt.Fprintln(tw, "BACKEND\tREADY\tREQ/S\tERR/S\tP50\tP99\tTOTAL\t5XX")
	} else {
		fmt.Fprintln(tw, "HOST\tPATH\tBACKEND\tREADY\tREQ/S\tERR/S\tP50\tP99\tTOTAL\t5XX\tINGRESS")
	}
	for _, r := range rows {
		backend, ready := string(r.Backend), strconv.Itoa(r.Ready)
		if backend == "" {
			backend, ready = "404 page", "-"
		}
		numbers := fmt.Sprintf("%s\t%.1f\t%.1f\t%s\t%s\t%d\t%d", ready, r.Requests, r.Failed, orDash(r.P50), orDash(r.P99), r.Total, r.TotalFailed)
		if o.Backends {
			fmt.Fprintf(tw, "%s\t%s\n", backend, numbers)
			continue
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", orStar(r.Host), r.Path, backend, numbers, cmp.Or(strings.Trim(r.Ingress.Namespace+"/"+r.Ingress.Name, "/"), "<none>"))
	}
	return tw.Flush()
}

func orDash(seconds float64) string {
	if seconds <= 0 {
		return "-"
	}
	return took(seconds)
}

// joined adds the routes of each backend up. Quantiles cannot be added: the
// worst one stands for all.
func joined(rows []admin.Busy) (list []admin.Busy) {
	at := map[ir.BackendID]int{}
	for _, r := range rows {
		i, ok := at[r.Backend]
		if !ok {
			at[r.Backend] = len(list)
			list = append(list, r)
			continue
		}
		b := &list[i]
		b.Requests, b.Failed = b.Requests+r.Requests, b.Failed+r.Failed
		b.Total, b.TotalFailed = b.Total+r.Total, b.TotalFailed+r.TotalFailed
		b.P50, b.P99 = max(b.P50, r.P50), max(b.P99, r.P99)
	}
	return list
}
