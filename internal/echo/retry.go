package echo

import (
	"crypto/tls"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// retries counts the failures of /retry/ by uuid.
type retries struct {
	mu       sync.Mutex // held through a whole failing call, its delay included: calls are serialised
	failures map[string]int
}

// retry fails as often as asked, then echoes.
func (e *httpEcho) retry(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	uuid := query.Get("uuid")
	if uuid == "" {
		http.Error(w, "query parameter uuid is missing", http.StatusBadRequest)
		return
	}
	succeedAfter, err := strconv.Atoi(query.Get("succeedAfter"))
	if err != nil {
		http.Error(w, "query parameter succeedAfter is not a number", http.StatusBadRequest)
		return
	}
	code := 0
	if text := query.Get("responseCode"); text != "" {
		if code, err = strconv.Atoi(text); err != nil || code < 100 || code > 999 {
			http.Error(w, "query parameter responseCode is not a status", http.StatusBadRequest)
			return
		}
	}
	var delay time.Duration
	if text := query.Get("delayRetry"); text != "" {
		if delay, err = time.ParseDuration(text); err != nil {
			http.Error(w, "query parameter delayRetry is not a duration", http.StatusBadRequest)
			return
		}
	}
	if e.retries.fail(r, uuid, succeedAfter, delay) {
		if code != 0 {
			w.WriteHeader(code)
			return
		}
		reset(w)
		return
	}
	e.echo(w, r)
}

// fail counts a failure of uuid, unless there were enough.
func (t *retries) fail(r *http.Request, uuid string, enough int, delay time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failures[uuid] >= enough {
		return false
	}
	t.failures[uuid]++
	wait(r.Context(), delay)
	return true
}

// reset ends the connection with RST and without an answer; HTTP/2 resets the
// stream.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the server resets the stream and logs nothing
	}
	raw := conn
	if secure, ok := conn.(*tls.Conn); ok {
		raw = secure.NetConn()
	}
	if tcp, ok := raw.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = raw.Close() // not conn: TLS would say goodbye first
}
