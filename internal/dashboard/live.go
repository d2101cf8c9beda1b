package dashboard

import (
	"bytes"
	"fmt"
	"net/http"
	"time"
)

const (
	// maxStreams bounds the pages that are followed at one time.
	maxStreams = 32
	// liveStep is the time between two looks of a followed page.
	liveStep = 2 * time.Second
	// writeTime is how long a reader may take for one message.
	writeTime = 20 * time.Second
	// silence is after how many steps without a change the reader hears that
	// the connection still stands.
	silence = 8
)

// stream is one page that a browser follows with server-sent events.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// open begins a stream, or says why not; leave is to be called when it ends.
func (d *Dashboard) open(w http.ResponseWriter) (s *stream, leave func()) {
	select {
	case d.streams <- struct{}{}:
	default:
		w.Header().Set("Retry-After", "30")
		http.Error(w, fmt.Sprintf("%d pages are followed already: close one of them", maxStreams), http.StatusServiceUnavailable)
		return nil, nil
	}
	w.Header().Set("Content-Type", "text/event-stream")
	return &stream{w, http.NewResponseController(w)}, func() { <-d.streams }
}

// send writes one event; the error is that of a reader that has gone.
func (s *stream) send(event string, data []byte) error {
	_ = s.control.SetWriteDeadline(time.Now().Add(writeTime)) // not every writer has one
	var b bytes.Buffer
	fmt.Fprintf(&b, "event: %s\n", event)
	for line := range bytes.Lines(data) {
		b.WriteString("data: ")
		b.Write(bytes.TrimRight(line, "\r\n"))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	if _, err := s.w.Write(b.Bytes()); err != nil {
		return err
	}
	return s.control.Flush()
}

// liveParts are the parts of a page that are sent again when they differ: ids
// of elements and names of templates.
var liveParts = [...]string{"nav", "live"}

// follow sends the changing parts of a page until the reader goes.
func (d *Dashboard) follow(w http.ResponseWriter, r *http.Request, l load) {
	s, leave := d.open(w)
	if s == nil {
		return
	}
	defer leave()
	tick := time.NewTicker(liveStep)
	defer tick.Stop()
	sent := map[string][]byte{}
	for quiet := 0; ; quiet++ {
		p, _ := d.make(r, l)
		for _, part := range liveParts {
			text, err := d.render(p, part)
			if err != nil {
				d.Logger.Error("a page of the dashboard cannot be shown", "path", r.URL.Path, "err", err)
				return
			}
			if bytes.Equal(text, sent[part]) {
				continue
			}
			if s.send(part, text) != nil {
				return
			}
			sent[part], quiet = text, 0
		}
		if quiet >= silence {
			if s.send("still", []byte("here")) != nil {
				return
			}
			quiet = 0
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}
