package dashboard

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"daemun/internal/listen"
)

// certificatesPage is the list of served certificates.
type certificatesPage struct {
	Query  query
	Rows   []certificateRow
	Paging paging
	Total  int
}

// certificateRow is one certificate. Of the pair it holds names and times only.
type certificateRow struct {
	listen.CertificateInfo
	State state
	// Left is the time to the end in words, Why what is wrong.
	Left, Why string
	// MoreHosts is how many hosts are not shown.
	MoreHosts int
}

const (
	// soon and late are the times before the end at which a certificate needs
	// attention: those who renew do so a third of 90 days before it.
	soon = 21 * 24 * time.Hour
	late = 7 * 24 * time.Hour
	// maxNames bounds the names of a row.
	maxNames = 12
)

func (d *Dashboard) certificates(r *http.Request) (*page, error) {
	v := &certificatesPage{Query: queryOf(r)}
	all := d.certificateRows()
	v.Total = len(all)
	var found []certificateRow
	for _, c := range all {
		if v.Query.finds(string(c.ID), strings.Join(c.Names, " "), strings.Join(c.Hosts, " ")) {
			found = append(found, c)
		}
	}
	v.Rows, v.Paging = paginate(r, found)
	for i := range v.Rows {
		c := &v.Rows[i]
		c.Names = c.Names[:min(len(c.Names), maxNames)]
		if n := len(c.Hosts); n > maxNames {
			c.Hosts, c.MoreHosts = c.Hosts[:maxNames], n-maxNames
		}
	}
	return &page{template: "certificates", Title: "Certificates", section: "Certificates", Body: v}, nil
}

// certificateRows are all certificates, those that end first before the others.
func (d *Dashboard) certificateRows() []certificateRow {
	var rows []certificateRow
	now := d.Now()
	for _, c := range d.Certificates() {
		r := certificateRow{CertificateInfo: c, State: ok}
		left := c.NotAfter.Sub(now)
		r.Left = "in " + ago(now, c.NotAfter)
		switch {
		case left <= 0:
			r.State, r.Left = fail, ago(now, c.NotAfter)+" ago"
			r.Why = "expired: clients refuse it"
		case left < late:
			r.State, r.Why = fail, fmt.Sprintf("expires in %s", ago(now, c.NotAfter))
		case left < soon:
			r.State, r.Why = warn, fmt.Sprintf("expires in %s", ago(now, c.NotAfter))
		}
		if c.Stale {
			r.State = max(r.State, warn)
			r.Why = strings.TrimPrefix(r.Why+"; the Secret now holds a pair that cannot be used, the last good one is served", "; ")
		}
		rows = append(rows, r)
	}
	slices.SortStableFunc(rows, func(a, b certificateRow) int {
		return cmp.Or(a.NotAfter.Compare(b.NotAfter), cmp.Compare(a.ID, b.ID))
	})
	return rows
}
