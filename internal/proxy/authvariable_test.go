package proxy

import (
	"testing"

	"daemun/internal/ir"
)

// TestVariablesOfTheService pins auth_request_set: the values reach the backend
// and the client, of kept answers and refusals too, and no other request.
func TestVariablesOfTheService(t *testing.T) {
	t.Parallel()
	for _, cached := range []string{"", "one"} {
		service := "HTTP/1.1 200 OK\r\nX-User-Id: 7\r\nx-user-id: 8\r\nContent-Length: 0\r\n\r\n"
		a := newAsked(t, always(service), func(e *ir.ExternalAuth, r *ir.Route) {
			e.Variables = []ir.AuthVariable{{Name: "user", Value: "$upstream_http_x_user_id"}, {Name: "none", Value: "$upstream_http_x_none"}, {Name: "rest", Value: "$upstream_status/$upstream_cookie_c/$uri/$none"}}
			if cached != "" {
				e.CacheKey, e.CacheFor = cached, []ir.CacheFor{{For: ir.Duration(1 << 40)}}
			}
			r.Script = does(assigns("none", "before"))
			r.Fields = &ir.FieldEdits{
				Request:  []ir.FieldEdit{{Kind: ir.EditSet, Name: "X-Who", Value: "$user-$none.$rest"}},
				Response: []ir.FieldEdit{{Kind: ir.EditSet, Name: "X-Who", Value: "$user"}},
			}
		})
		c := a.dial()
		for range 2 {
			resp, _ := c.get("/x")
			if head := <-a.toBackend; resp.StatusCode != 200 || resp.Header.Get("X-Who") != "7, 8" || !hasField(head, "X-Who: 7, 8-.200///x/") {
				t.Errorf("cache %q: %d %v, backend %q", cached, resp.StatusCode, resp.Header, head)
			}
		}
	}
	a := newAsked(t, always("HTTP/1.1 403 Forbidden\r\nX-Why: late\r\nContent-Length: 0\r\n\r\n"), func(e *ir.ExternalAuth, r *ir.Route) {
		e.Variables = []ir.AuthVariable{{Name: "why", Value: "$upstream_http_x_why"}}
		r.Fields = &ir.FieldEdits{Response: []ir.FieldEdit{{Kind: ir.EditSet, Name: "X-Why", Value: "$why"}}}
	})
	if resp, _ := a.dial().get("/"); resp.StatusCode != 403 || resp.Header.Get("X-Why") != "late" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
}

// TestCookiesOfTheService: an answer with cookies is not kept, and their values
// can be taken.
func TestCookiesOfTheService(t *testing.T) {
	t.Parallel()
	a := newAsked(t, always("HTTP/1.1 202 OK\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: c=2; Path=/\r\nContent-Length: 0\r\n\r\n"), func(e *ir.ExternalAuth, r *ir.Route) {
		e.Variables = []ir.AuthVariable{{Name: "c", Value: "$upstream_status $upstream_cookie_c$upstream_cookie_none"}}
		r.Fields = &ir.FieldEdits{Response: []ir.FieldEdit{{Kind: ir.EditSet, Name: "X-C", Value: "$c"}}}
	})
	if resp, _ := a.dial().get("/"); resp.StatusCode != 200 || resp.Header.Get("X-C") != "202 2" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
}
