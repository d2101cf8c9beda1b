package proxy

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"daemun/internal/ir"

	"github.com/google/go-cmp/cmp"
)

// mirrorHead answers every request with the head that it got as body.
func mirrorHead(_ int, c *client) {
	for {
		head := c.head()
		if head == "" {
			return
		}
		if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nX-One: backend\r\nX-Two: backend\r\n"+
			"Content-Length: "+itoa(len(head))+"\r\n\r\n"+head); err != nil {
			return
		}
	}
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}

func editing(f ir.FieldEdits) func(*ir.Host, *ir.Route) {
	return func(_ *ir.Host, r *ir.Route) { r.Fields = &f }
}

func set(name, value string) ir.FieldEdit {
	return ir.FieldEdit{Kind: ir.EditSet, Name: name, Value: value}
}

// TestRequestFieldEdits pins what the backend gets: the edits act in their
// order, on what the client sent and on what Daemun says itself.
func TestRequestFieldEdits(t *testing.T) {
	t.Parallel()
	request := "GET /a?b HTTP/1.1\r\nHost: a.test\r\nX-Team: red\r\nx-debug-1: y\r\nX-Debug-2: z\r\nAuthorization: Basic eDp5\r\n\r\n"
	for _, tt := range []struct {
		name  string
		edits []ir.FieldEdit
		want  map[string]string
	}{
		{"variables", []ir.FieldEdit{set("X-Tenant", "$http_x_team@$host$request_uri")}, map[string]string{"X-Tenant": "red@a.test/a?b", "X-Team": "red"}},
		{"our own fields", []ir.FieldEdit{set("host", "inner.test"), set("X-Forwarded-Proto", "https")}, map[string]string{"Host": "inner.test", "X-Forwarded-Proto": "https", "X-Scheme": "http"}},
		{"nothing is left out", []ir.FieldEdit{set("Authorization", ""), set("X-Team", "$arg_none")}, map[string]string{"Authorization": "", "X-Team": ""}},
		{"clear with a star", []ir.FieldEdit{{Kind: ir.EditClear, Name: "X-Debug*"}}, map[string]string{"X-Debug-1": "", "X-Debug-2": "", "X-Team": "red"}},
		{"existing only", []ir.FieldEdit{
			{Kind: ir.EditSet, Name: "X-Team", Value: "blue", Existing: true},
			{Kind: ir.EditSet, Name: "X-None", Value: "blue", Existing: true},
		}, map[string]string{"X-Team": "blue", "X-None": ""}},
		{"the last one counts", []ir.FieldEdit{set("X-Team", "1"), {Kind: ir.EditClear, Name: "X-*"}, set("X-Team", "2")}, map[string]string{"X-Team": "2", "X-Real-Ip": ""}},
		{"no line break", []ir.FieldEdit{set("X-Bad", "a\r\nb"), set("X-Good", "c")}, map[string]string{"X-Bad": "", "X-Good": "c"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, _ := up(t, mirrorHead, editing(ir.FieldEdits{Request: tt.edits}))
			c := r.dial()
			c.send(request)
			_, head := c.answer("GET")
			got, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
			if err != nil {
				t.Fatalf("%v: %q", err, head)
			}
			got.Header.Set("Host", got.Host)
			for name, want := range tt.want {
				if v := strings.Join(got.Header.Values(name), "|"); v != want {
					t.Errorf("%s: %q, want %q", name, v, want)
				}
			}
		})
	}
}

// TestResponseFieldEdits pins what the client gets of the backend's response.
func TestResponseFieldEdits(t *testing.T) {
	t.Parallel()
	add := func(name, value string, statuses ...int) ir.FieldEdit {
		return ir.FieldEdit{Kind: ir.EditAdd, Name: name, Value: value, Statuses: statuses}
	}
	for _, tt := range []struct {
		name  string
		edits ir.FieldEdits
		want  map[string]string
	}{
		{"set replaces", ir.FieldEdits{Response: []ir.FieldEdit{set("x-one", "$host"), set("Server", "me")}}, map[string]string{"X-One": "a.test", "X-Two": "backend", "Server": "me"}},
		{"add stands beside", ir.FieldEdits{Response: []ir.FieldEdit{add("X-One", "1"), add("X-One", "2")}}, map[string]string{"X-One": "backend|1|2"}},
		{"clear with a star", ir.FieldEdits{Response: []ir.FieldEdit{{Kind: ir.EditClear, Name: "X-*"}}}, map[string]string{"X-One": "", "X-Two": ""}},
		{"set, then clear, then add", ir.FieldEdits{Response: []ir.FieldEdit{set("X-One", "1"), {Kind: ir.EditClear, Name: "X-One"}, add("X-One", "2")}}, map[string]string{"X-One": "2"}},
		{"add is last even if it is written first", ir.FieldEdits{Response: []ir.FieldEdit{add("X-One", "2"), {Kind: ir.EditClear, Name: "X-One"}}}, map[string]string{"X-One": "2"}},
		{"other statuses", ir.FieldEdits{Response: []ir.FieldEdit{add("X-A", "1", 404), add("X-B", "1", 200, 404)}}, map[string]string{"X-A": "", "X-B": "1"}},
		{"types", ir.FieldEdits{Response: []ir.FieldEdit{
			{Kind: ir.EditSet, Name: "X-A", Value: "1", Types: []string{"text/html"}},
			{Kind: ir.EditSet, Name: "X-B", Value: "1", Types: []string{"text/html", "text/plain"}},
		}}, map[string]string{"X-A": "", "X-B": "1"}},
		{"hidden", ir.FieldEdits{Hide: []string{"x-one"}, Response: []ir.FieldEdit{add("X-One", "1")}}, map[string]string{"X-One": "1", "X-Two": "backend"}},
		{"empty is none", ir.FieldEdits{Response: []ir.FieldEdit{set("X-One", "$arg_x"), add("X-Two", "$arg_x")}}, map[string]string{"X-One": "", "X-Two": "backend"}},
		{"no line break", ir.FieldEdits{Response: []ir.FieldEdit{set("X-A", "a\nb"), set("X-B", "1")}}, map[string]string{"X-A": "", "X-B": "1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, _ := up(t, mirrorHead, editing(tt.edits))
			resp, _ := r.dial().get("/")
			for name, want := range tt.want {
				if v := strings.Join(resp.Header.Values(name), "|"); v != want {
					t.Errorf("%s: %q, want %q", name, v, want)
				}
			}
		})
	}
}

// TestDatedField pins the date of expires.
func TestDatedField(t *testing.T) {
	t.Parallel()
	r, _ := up(t, answering(ok), editing(ir.FieldEdits{Response: []ir.FieldEdit{{Kind: ir.EditSet, Name: "Expires", Dated: true}}}))
	resp, _ := r.dial().get("/")
	if _, err := http.ParseTime(resp.Header.Get("Expires")); err != nil {
		t.Error(err)
	}
}

// TestFieldsOfOwnAnswers pins that pages, redirects, denied routes and answers
// before routing have the fields of all responses.
func TestFieldsOfOwnAnswers(t *testing.T) {
	t.Parallel()
	edits := &ir.FieldEdits{Response: []ir.FieldEdit{
		set("X-All", "1"), set("Content-Type", "a/b"),
		{Kind: ir.EditAdd, Name: "X-Good", Value: "1", Statuses: []int{200, 302}},
	}}
	for _, tt := range []struct {
		name   string
		change func(*ir.Host, *ir.Route)
		status int
		good   string
	}{
		{"app-root", func(h *ir.Host, _ *ir.Route) { h.AppRoot = "/x" }, 302, "1"},
		{"denied", func(_ *ir.Host, r *ir.Route) { r.Denied = 503 }, 503, ""},
		{"default backend", func(_ *ir.Host, r *ir.Route) { r.Backend = "" }, 404, ""},
		{"redirect", func(_ *ir.Host, r *ir.Route) { r.Redirect = &ir.Redirect{Code: 302, Location: "/x"} }, 302, "1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, _ := up(t, answering(ok), func(h *ir.Host, route *ir.Route) {
				tt.change(h, route)
				h.Fields, route.Fields = edits, edits
			})
			resp, _ := r.dial().get("/")
			got := []string{resp.Header.Get("X-All"), resp.Header.Get("X-Good"), strings.Join(resp.Header.Values("Content-Type"), "|")}
			if d := cmp.Diff([]string{"1", tt.good, "a/b"}, got); d != "" || resp.StatusCode != tt.status {
				t.Errorf("%d -want +got:\n%s", resp.StatusCode, d)
			}
		})
	}
}
