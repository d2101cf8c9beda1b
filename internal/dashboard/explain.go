package dashboard

import (
	"bytes"
	"cmp"
	"net/http"
	"strings"

	"daemun/internal/console"
	"daemun/internal/explain"
	"daemun/internal/table"
)

// explainPage is the box to ask in, and the answer.
type explainPage struct {
	URL, Method, Client, Headers string
	Methods                      []string
	// Error is what is wrong with the question.
	Error  string
	Answer *explain.Answer
	State  state
	Status string
	// Result is that of the answer without the status.
	Result string
	// Rows are the paths of the host that are shown, More how many are not.
	Rows      []stepRow
	More      int
	Set       []explain.Policy
	Usual     []explain.Policy
	Endpoints []endpointRow
	Problems  []problemRow
	// Connection is the answer for tcp and udp, as the command prints it.
	Connection string
	// Curl makes the request for real.
	Curl string
	// Examples are URLs of routes, shown before anything was asked.
	Examples []string
}

// stepRow is one path that was looked at.
type stepRow struct {
	table.Step
	Won   bool
	Would bool // it would have won, but the path is refused
}

// maxSteps bounds the paths that are shown besides the winner.
const maxSteps = 60

func (d *Dashboard) explain(r *http.Request) (*page, error) {
	q := r.URL.Query()
	v := &explainPage{
		URL: strings.TrimSpace(q.Get("url")), Method: cmp.Or(q.Get("method"), "GET"), Client: strings.TrimSpace(q.Get("client")), Headers: strings.TrimSpace(q.Get("headers")),
		Methods: []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"},
	}
	p := &page{template: "explain", Title: "Explain", section: "Explain", Body: v}
	switch {
	case v.URL == "":
		v.Examples = examples(d.survey())
		p.Quiet = true
	case explain.IsConnection(v.URL):
		d.explainConnection(v)
	default:
		d.explainRequest(v)
	}
	return p, nil
}

// examples are URLs that lead somewhere.
func examples(s *survey) []string {
	var list []string
	for _, at := range s.rows {
		if at.Host() == "" || strings.ContainsAny(at.Host(), "*~") || at.Rest() || len(list) == 5 {
			continue
		}
		if n := len(list); n > 0 && strings.HasPrefix(list[n-1], "http://"+at.Host()+"/") {
			continue // one of each host
		}
		list = append(list, "http://"+at.Host()+at.Path())
	}
	return list
}

func (d *Dashboard) explainConnection(v *explainPage) {
	if d.ExplainConnection == nil {
		v.Error = "this Daemun does not run the Service network: ask about http and https"
		return
	}
	answer, err := d.ExplainConnection(explain.ConnectionRequest{URL: v.URL, Client: v.Client})
	if err != nil {
		v.Error = err.Error()
		return
	}
	var b bytes.Buffer
	if err := console.WriteConnection(&b, answer); err != nil {
		v.Error = err.Error()
		return
	}
	v.Connection = b.String()
}

func (d *Dashboard) explainRequest(v *explainPage) {
	if d.Table() == nil {
		v.Error = "there is no routing table yet: try again in a moment"
		return
	}
	headers, err := explain.ParseHeaders(strings.Split(v.Headers, "\n"))
	if err == nil {
		if len(headers) == 0 {
			headers = nil
		}
		v.Answer, err = d.Explain(explain.Request{URL: v.URL, Method: v.Method, Headers: headers, Client: v.Client})
	}
	if err != nil {
		v.Error = err.Error()
		return
	}
	a := v.Answer
	v.Status, v.State = verdict(a)
	v.Result = strings.TrimPrefix(strings.TrimPrefix(a.Result, v.Status), ":")
	v.steps()
	for _, p := range a.Policies {
		if p.Source == "annotation" {
			v.Set = append(v.Set, p)
		} else {
			v.Usual = append(v.Usual, p)
		}
	}
	v.Endpoints = d.endpointRows(a.Endpoints, nil)
	v.Problems = d.problemRows(a.Problems)
	v.Curl = curl(v, d)
}

// verdict is the status at the beginning of the result, and how good that is.
func verdict(a *explain.Answer) (string, state) {
	status := ""
	if len(a.Result) >= 3 && a.Result[0] >= '1' && a.Result[0] <= '5' {
		status = a.Result[:3]
	}
	switch {
	case status == "":
		return "→", ok
	case status[0] == '5':
		return status, fail
	case status[0] == '4':
		return status, warn
	}
	return status, ok
}

// steps are the paths near the winner: of a host with thousands not all help.
func (v *explainPage) steps() {
	t := &v.Answer.Trail
	from, to := 0, len(t.Steps)
	if to > maxSteps {
		from = max(0, min(t.Winner-maxSteps/2, to-maxSteps))
		to = from + maxSteps
	}
	v.More = len(t.Steps) - (to - from)
	for i := from; i < to; i++ {
		s := stepRow{Step: t.Steps[i], Won: i == t.Winner}
		s.Would = !s.Won && s.Verdict == table.Won
		s.Reason = strings.TrimPrefix(s.Reason, string(s.Verdict)+": ")
		v.Rows = append(v.Rows, s)
	}
}

// curl is the command that makes the request at this Daemun.
func curl(v *explainPage, d *Dashboard) string {
	if d.Entrance == nil || d.Entrance() == "" || v.Answer.Listener != "http" || v.Answer.Trail.Host == "" {
		return ""
	}
	var b strings.Builder
	b.WriteString("curl -i")
	if v.Answer.Method != "GET" {
		b.WriteString(" -X " + quote(v.Answer.Method))
	}
	b.WriteString(" -H " + quote("Host: "+v.Answer.Trail.Host))
	for line := range strings.Lines(v.Headers) {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString(" -H " + quote(line))
		}
	}
	_, rest, _ := strings.Cut(v.Answer.URL, "://")
	_, path, _ := strings.Cut(rest, "/")
	b.WriteString(" --path-as-is " + quote("http://"+d.Entrance()+"/"+path))
	return b.String()
}

// quote makes a word of a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
