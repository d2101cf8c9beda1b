package proxy

import (
	"strings"
	"testing"

	"daemun/internal/ir"
)

// TestH4_9_Twins: where names may have an underscore, neither the service nor the
// backend gets one that could be taken for what Daemun or the service says.
func TestH4_9_Twins(t *testing.T) {
	t.Parallel()
	a := newAsked(t, always("HTTP/1.1 200 OK\r\nX-User: ann\r\nContent-Length: 0\r\n\r\n"), func(e *ir.ExternalAuth, _ *ir.Route) {
		e.SetHeaders, e.ResponseHeaders = []ir.Field{{Name: "X-Tenant", Value: "t-$host"}}, []string{"X-User"}
	})
	a.config.Settings.RequestHeads.KeepUnderscores = true
	a.publish()
	c := a.dial()
	c.send("GET /x HTTP/1.1\r\nHost: a.test\r\nX_Original_URL: http://evil/\r\nx_original_method: evil\r\nX_Tenant: evil\r\nX_Real_IP: evil\r\n" +
		"X_Forwarded-For: evil\r\napi_key: k\r\nX_User: bob\r\n\r\n")
	if resp, _ := c.answer("GET"); resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	service, backend := <-a.toService, <-a.toBackend
	for who, head := range map[string]string{"service": service, "backend": backend} {
		if !hasField(head, "api_key: k") {
			t.Errorf("the %s did not get what means nothing: %q", who, head)
		}
	}
	if strings.Contains(service, "evil") {
		t.Errorf("the service got %q", service)
	}
	for _, never := range []string{"X_Real_IP", "X_Forwarded-For", "X_User"} {
		if strings.Contains(backend, never) {
			t.Errorf("the backend got %s in %q", never, backend)
		}
	}
}
