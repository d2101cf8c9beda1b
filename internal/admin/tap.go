package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"daemun/internal/tap"
)

const (
	// tapSilence is after how long without a request an empty line says that
	// the connection still stands.
	tapSilence = 15 * time.Second
	// tapWrite is how long a reader may take for one line.
	tapWrite = 20 * time.Second
)

// tapRequests writes finished requests as they pass, one JSON object per line.
// Parameters are host, path, route, status and method, which filter; rate, the
// most per second; and count, after which it ends. The field "skipped" of a
// line is how many requests matched and were left out so far. Empty lines mean
// nothing.
func (s server) tapRequests(w http.ResponseWriter, r *http.Request) {
	if s.Tap == nil {
		http.Error(w, "requests cannot be watched here", http.StatusNotFound)
		return
	}
	q := r.URL.Query()
	filter, err := tap.ParseFilter(q.Get)
	rate, count := 0, 0
	if err == nil {
		rate, err = number(q.Get("rate"), "rate")
	}
	if err == nil {
		count, err = number(q.Get("count"), "count")
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	watcher, err := s.Tap.Watch(filter, rate)
	if err != nil {
		w.Header().Set("Retry-After", "10")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer watcher.Close()
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	copyTap(w, r, watcher, count)
}

// tapLine is a sample with what its watcher missed.
type tapLine struct {
	*tap.Sample
	Skipped uint64 `json:"skipped,omitempty"`
}

func copyTap(w http.ResponseWriter, r *http.Request, watcher *tap.Watcher, count int) {
	control := http.NewResponseController(w)
	encoder := json.NewEncoder(w)
	still := time.NewTicker(tapSilence)
	defer still.Stop()
	// The head goes out at once: who has it knows that requests are watched.
	if control.Flush() != nil {
		return
	}
	for seen := 0; count == 0 || seen < count; {
		var err error
		select {
		case <-r.Context().Done():
			return
		case sample := <-watcher.Samples():
			seen++
			_ = control.SetWriteDeadline(time.Now().Add(tapWrite)) // not every writer has one
			err = encoder.Encode(tapLine{sample, watcher.Skipped()})
		case <-still.C:
			_ = control.SetWriteDeadline(time.Now().Add(tapWrite))
			_, err = w.Write([]byte{'\n'})
		}
		if err != nil || control.Flush() != nil {
			return
		}
	}
}

// number reads a parameter that may be missing.
func number(text, name string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, errors.New(name + " " + strconv.Quote(text) + ": want a number from 1")
	}
	return n, nil
}
