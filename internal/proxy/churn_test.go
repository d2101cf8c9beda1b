package proxy

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"daemun/internal/ir"
)

// No request fails while endpoints come and go and tables are swapped (H11.1,
// H11.7).
func TestChurn(t *testing.T) {
	t.Parallel()
	a, b := newScript(t, echo), newScript(t, echo)
	r := newRig(t, oneRoute(nil))
	r.endpoints(a.addr(), b.addr())
	stop := make(chan struct{})
	var churn sync.WaitGroup
	churn.Go(func() {
		tick := time.NewTicker(200 * time.Microsecond) // leaves a single processor to the requests
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			switch i % 3 {
			case 0:
				r.endpoints(a.addr())
			case 1:
				r.endpoints(b.addr())
			default:
				r.endpoints(a.addr(), b.addr())
				r.publish()
				r.upstreams.Retain(func(id ir.BackendID) bool { return id == backendID })
			}
		}
	})
	var load sync.WaitGroup
	for n := range 4 {
		c := r.dial()
		load.Go(func() {
			for i := range 200 {
				body := fmt.Sprintf("%d-%d", n, i)
				if _, err := fmt.Fprintf(c.Conn, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
					t.Error(err)
					return
				}
				resp, err := http.ReadResponse(c.br, &http.Request{Method: "POST"})
				if err != nil {
					t.Error(err)
					return
				}
				got := make([]byte, len(body))
				if _, err := resp.Body.Read(got); resp.StatusCode != 200 || string(got) != body {
					t.Errorf("got %d %q %v, want %q", resp.StatusCode, got, err, body)
					return
				}
			}
		})
	}
	load.Wait()
	close(stop)
	churn.Wait()
}
