package proxy

import (
	"testing"

	"daemun/internal/tap"
)

// TestTap: whoever watches sees requests with their route and endpoint, those
// that were refused too, no credentials, and no health checks.
func TestTap(t *testing.T) {
	t.Parallel()
	tp := tap.New()
	r := newRigWith(t, oneRoute(nil), Config{Tap: tp}, nil)
	good := newScript(t, answering(ok)).addr()
	r.endpoints(good)
	c := r.dial()
	c.get("/unwatched")
	w, err := tp.Watch(tap.Filter{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	// The first request may still be finishing while the watcher arrives.
	c.send("GET /a?token=x HTTP/1.1\r\nHost: A.test\r\nAuthorization: Basic eDp5\r\n\r\n")
	c.answer("GET")
	c.send("GET /healthz HTTP/1.1\r\nHost: watchdog.invalid\r\n\r\n")
	c.answer("GET")
	c.send("GET /%00 HTTP/1.1\r\nHost: a.test\r\n\r\n")
	c.answer("GET")
	next := func() *tap.Sample {
		for {
			if s := <-w.Samples(); s.Path != "/unwatched" {
				return s
			}
		}
	}
	s := next()
	if s.Method != "GET" || s.Host != "a.test" || s.Path != "/a" || s.Query != "token=[redacted]" || s.Route != "a.test/" || s.Ingress != "d/i" ||
		s.Backend != string(backendID) || s.Endpoint != good.String() || s.Attempts != 1 || s.Status != 200 || s.Sent == 0 || s.ID == "" {
		t.Errorf("%+v", s)
	}
	for _, h := range s.Headers {
		if h.Name == "Authorization" && h.Value != tap.Redacted {
			t.Errorf("%+v", h)
		}
	}
	if s = next(); s.Status != 400 || s.Route != "" || s.Attempts != 0 {
		t.Errorf("%+v", s)
	}
}
