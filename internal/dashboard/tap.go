package dashboard

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"daemun/internal/tap"
)

// tapPage shows requests as they pass.
type tapPage struct {
	Host, Path, Route, Status, Method string
	Error                             string
	// Stream is where a browser follows them.
	Stream string
	// Taken says that a sample was asked for; it is in Samples.
	Taken   bool
	Samples []*tap.Sample
	Skipped uint64
	Seconds int
}

const (
	// takeTime and takeCount end a sample without JavaScript.
	takeTime  = 3 * time.Second
	takeCount = 50
	// tapRate is how many requests per second a reader sees at most.
	tapRate = 20
)

func (d *Dashboard) tap(r *http.Request) (*page, error) {
	q := r.URL.Query()
	v := &tapPage{
		Host: q.Get("host"), Path: q.Get("path"), Route: q.Get("route"), Status: q.Get("status"), Method: q.Get("method"),
		Taken: q.Get("take") != "", Seconds: int(takeTime / time.Second),
	}
	v.Stream = link("/tap/live", "host", v.Host, "path", v.Path, "route", v.Route, "status", v.Status, "method", v.Method)
	p := &page{template: "tap", Title: "Requests", section: "Requests", Body: v, Quiet: true}
	filter, err := tap.ParseFilter(q.Get)
	if err != nil {
		v.Error, v.Taken = err.Error(), false
		return p, nil
	}
	if !v.Taken {
		return p, nil
	}
	w, err := d.Tap.Watch(filter, tapRate)
	if err != nil {
		v.Error, v.Taken = err.Error(), false
		return p, nil
	}
	defer w.Close()
	v.Samples = take(r.Context(), w)
	v.Skipped = w.Skipped()
	return p, nil
}

// take waits for requests.
func take(ctx context.Context, w *tap.Watcher) (list []*tap.Sample) {
	end := time.NewTimer(takeTime)
	defer end.Stop()
	for len(list) < takeCount {
		select {
		case s := <-w.Samples():
			list = append(list, s)
		case <-end.C:
			return list
		case <-ctx.Done():
			return list
		}
	}
	return list
}

// followTap sends requests as they pass until the reader goes.
func (d *Dashboard) followTap(w http.ResponseWriter, r *http.Request) {
	filter, err := tap.ParseFilter(r.URL.Query().Get)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	watcher, err := d.Tap.Watch(filter, tapRate)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer watcher.Close()
	s, leave := d.open(w)
	if s == nil {
		return
	}
	defer leave()
	if s.send("still", []byte("here")) != nil {
		return
	}
	tick := time.NewTicker(liveStep)
	defer tick.Stop()
	var said uint64
	for quiet := 0; ; {
		select {
		case <-r.Context().Done():
			return
		case sample := <-watcher.Samples():
			quiet = 0
			if d.sendSample(s, sample) != nil {
				return
			}
		case <-tick.C:
			if quiet++; quiet < silence && watcher.Skipped() == said {
				continue
			}
			quiet, said = 0, watcher.Skipped()
			text, _ := json.Marshal(said) // a number always can be
			if s.send("skipped", text) != nil {
				return
			}
		}
	}
}

func (d *Dashboard) sendSample(s *stream, sample *tap.Sample) error {
	var b strings.Builder
	if err := d.pages["tap"].ExecuteTemplate(&b, "sample", sample); err != nil {
		return err
	}
	return s.send("sample", []byte(b.String()))
}
