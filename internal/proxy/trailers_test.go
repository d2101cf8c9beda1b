package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"daemun/internal/ir"
)

// TestH2_8_TrailersDoNotSpeakForUs: what replaces a field of the client in the head
// cannot be said in the trailers.
func TestH2_8_TrailersDoNotSpeakForUs(t *testing.T) {
	t.Parallel()
	got := make(chan string, 4)
	r, _ := up(t, func(_ int, c *client) {
		for {
			req, err := http.ReadRequest(c.br)
			if err != nil {
				return
			}
			_, _ = io.ReadAll(req.Body)
			got <- fmt.Sprint(req.Trailer)
			_, _ = io.WriteString(c, ok)
		}
	}, func(_ *ir.Host, route *ir.Route) {
		route.ExternalAuth = &ir.ExternalAuth{Backend: authID, Host: "auth.test", Target: "/", ResponseHeaders: []string{"X-User"}}
		route.Fields = &ir.FieldEdits{Request: []ir.FieldEdit{{Kind: ir.EditSet, Name: "X-Team", Value: "a"}}}
	})
	auth := newScript(t, func(_ int, c *client) {
		for c.head() != "" {
			if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nX-User: ann\r\nContent-Length: 0\r\n\r\n"); err != nil {
				return
			}
		}
	})
	r.upstreams.Update(ir.EndpointSet{Backend: authID, Endpoints: []ir.Endpoint{{Addr: auth.addr()}}})
	c := r.dial()
	for trailers, want := range map[string]string{
		"X-Sum: 1\r\nx-user: bob\r\nX-Team: b\r\n": "map[X-Sum:[1]]",
		"X-Sum: 1\r\n":    "map[X-Sum:[1]]",
		"X-User: bob\r\n": "map[]",
	} {
		c.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n" + trailers + "\r\n")
		if resp, _ := c.answer("POST"); resp.StatusCode != 200 {
			t.Fatal(resp.Status)
		}
		if sent := <-got; sent != want {
			t.Errorf("%s: the backend got %s, want %s", strings.ReplaceAll(trailers, "\r\n", "; "), sent, want)
		}
	}
}
