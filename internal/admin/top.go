package admin

import (
	"net/http"

	"daemun/internal/ir"
	"daemun/internal/metrics"
)

// Busy is one row of `top`: a route with what it does now, averaged over the
// last ten to twenty seconds.
type Busy struct {
	Host    string       `json:"host"`
	Path    string       `json:"path"`
	Ingress ir.Ref       `json:"ingress,omitzero"`
	Backend ir.BackendID `json:"backend,omitempty"`
	// Ready is the number of endpoints that requests go to.
	Ready int `json:"ready"`
	// Requests and Failed, those with 5xx, are per second.
	Requests float64 `json:"requests"`
	Failed   float64 `json:"failed"`
	// Total and TotalFailed count those since the route exists.
	Total       uint64 `json:"total"`
	TotalFailed uint64 `json:"totalFailed"`
	// P50 and P99 are in seconds, 0 without requests.
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// top lists all routes.
func (s server) top(w http.ResponseWriter, _ *http.Request) {
	list := []Busy{}
	if t := s.Table(); t != nil && s.Rates != nil {
		for h := range t.Hosts() {
			for _, r := range h.Routes() {
				rates := s.Rates(r.Metrics)
				row := Busy{
					Host: h.IR.Name, Path: r.IR.Path, Ingress: r.IR.Ingress, Backend: r.IR.Backend,
					Requests: rates.Requests(), Failed: rates.Failed(), P50: max(0, rates.P50), P99: max(0, rates.P99),
				}
				row.count(r.Metrics)
				row.count(r.CanaryMetrics)
				if r.Backend != nil {
					row.Ready = r.Backend.Len()
				}
				list = append(list, row)
			}
		}
	}
	writeJSON(w, List{Kind: "TopList", Items: list})
}

// count adds what a route has counted.
func (b *Busy) count(r *metrics.Route) {
	for class, n := range r.Classes() {
		b.Total += n
		if class == 5 {
			b.TotalFailed += n
		}
	}
}
