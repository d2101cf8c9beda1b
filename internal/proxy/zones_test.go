package proxy

import (
	"io"
	"strings"
	"testing"

	"daemun/internal/ir"
)

// byZones limits a route by its argument "key".
func byZones(change func(*ir.ZoneLimits)) func(*ir.Host, *ir.Route) {
	return func(_ *ir.Host, r *ir.Route) {
		r.ZoneLimits = &ir.ZoneLimits{}
		change(r.ZoneLimits)
	}
}

// hardlyAny is a rate that is so low that nothing comes back within a test: a
// request in a thousand seconds.
const hardlyAny = 1

func byKey(name string, rate int64) ir.Zone { return ir.Zone{Name: name, Key: "$arg_key", Rate: rate} }

// TestLimitReq pins limit_req on the wire: the burst, the status, the key, and
// that a zone is one for all that use it, across tables.
func TestLimitReq(t *testing.T) {
	t.Parallel()
	r, _ := up(t, answering(ok), byZones(func(z *ir.ZoneLimits) {
		z.Requests = []ir.RequestLimit{{Zone: byKey("z", hardlyAny), Burst: 2, AtOnce: 2}}
	}))
	c := r.dial()
	statuses := func(path string, n int) (got []int) {
		for range n {
			resp, _ := c.get(path)
			got = append(got, resp.StatusCode)
		}
		return got
	}
	wants := func(what string, got []int, want ...int) {
		t.Helper()
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: %v, want %v", what, got, want)
				return
			}
		}
	}
	wants("a text", statuses("/?key=a", 4), 200, 200, 200, 503)
	wants("another text", statuses("/?key=b", 4), 200, 200, 200, 503)
	wants("no text", statuses("/", 4), 200, 200, 200, 200)
	r.config = oneRoute(byZones(func(z *ir.ZoneLimits) {
		z.RequestStatus = 429
		z.Requests = []ir.RequestLimit{{Zone: byKey("z", hardlyAny), Burst: 3, AtOnce: 3}}
	}))
	r.publish()
	wants("the next table", statuses("/?key=a", 2), 200, 429)
}

// TestLimitReqStatusOfAnnotations: the statuses of a snippet hold for limits of
// annotations, too.
func TestLimitReqStatusOfAnnotations(t *testing.T) {
	t.Parallel()
	r, _ := up(t, answering(ok), func(h *ir.Host, route *ir.Route) {
		limited(func(l *ir.Limits) { l.PerMinute, l.Burst = 1, 0 })(h, route)
		route.ZoneLimits = &ir.ZoneLimits{RequestStatus: 429}
	})
	c := r.dial()
	for i, want := range []int{200, 429} {
		if resp, _ := c.get("/"); resp.StatusCode != want {
			t.Errorf("request %d: %d, want %d", i, resp.StatusCode, want)
		}
	}
}

// TestLimitReqWaits: what is ahead of the rate arrives later; a client that
// leaves ends its wait.
func TestLimitReqWaits(t *testing.T) {
	t.Parallel()
	r, _ := up(t, answering(ok), byZones(func(z *ir.ZoneLimits) {
		z.Requests = []ir.RequestLimit{{Zone: byKey("z", 20_000), Burst: 9}}
	}))
	c := r.dial()
	for i := range 3 {
		if resp, _ := c.get("/?key=a"); resp.StatusCode != 200 {
			t.Errorf("request %d: %d", i, resp.StatusCode)
		}
	}
	r.config = oneRoute(byZones(func(z *ir.ZoneLimits) {
		z.Requests = []ir.RequestLimit{{Zone: byKey("slow", hardlyAny), Burst: 9}}
	}))
	r.publish()
	if resp, _ := c.get("/?key=a"); resp.StatusCode != 200 {
		t.Errorf("the first: %d", resp.StatusCode)
	}
	c.send("GET /?key=a HTTP/1.1\r\nHost: a.test\r\n\r\n")
	eventually(t, "the request waits", func() bool { return r.server.held.Load() == 1 })
	c.Close()
	eventually(t, "the wait ends", func() bool { return r.server.held.Load() == 0 })
	eventually(t, "the connection ends", func() bool { st := r.server.Stats(); return st.Active+st.Idle == 0 })
}

// TestLimitReqHoldsFewEnough: not more wait than the server lets.
func TestLimitReqHoldsFewEnough(t *testing.T) {
	t.Parallel()
	r, _ := up(t, answering(ok), byZones(func(z *ir.ZoneLimits) {
		z.Requests = []ir.RequestLimit{{Zone: byKey("z", hardlyAny), Burst: 9}}
	}))
	r.server.held.Store(mostHeld)
	c := r.dial()
	for i, want := range []int{200, 503} {
		if resp, _ := c.get("/?key=a"); resp.StatusCode != want {
			t.Errorf("request %d: %d, want %d", i, resp.StatusCode, want)
		}
	}
	eventually(t, "nobody else waits", func() bool { return r.server.held.Load() == mostHeld })
}

// TestLimitConn pins limit_conn: what runs counts, until it has ended.
func TestLimitConn(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}, 4), make(chan struct{})
	r, _ := up(t, func(_ int, c *client) {
		for {
			head := c.head()
			if head == "" {
				return
			}
			if strings.HasPrefix(head, "GET /slow") {
				arrived <- struct{}{}
				<-release
			}
			if _, err := io.WriteString(c, ok); err != nil {
				return
			}
		}
	}, byZones(func(z *ir.ZoneLimits) {
		z.RunningStatus = 429
		z.Running = []ir.RunningLimit{{Zone: byKey("z", 0), Most: 1}}
	}))
	slow, other := r.dial(), r.dial()
	slow.send("GET /slow?key=a HTTP/1.1\r\nHost: a.test\r\n\r\n")
	<-arrived
	for path, want := range map[string]int{"/?key=a": 429, "/?key=b": 200, "/": 200} {
		if resp, _ := other.get(path); resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	close(release)
	if resp, _ := slow.answer("GET"); resp.StatusCode != 200 {
		t.Errorf("the first gets %d", resp.StatusCode)
	}
	eventually(t, "the place is free", func() bool {
		resp, _ := other.get("/?key=a")
		return resp.StatusCode == 200
	})
}
