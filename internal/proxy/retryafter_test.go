package proxy

import "testing"

// TestRetryAfterWithoutEndpoint (H11.8): clients learn that it is not for good.
func TestRetryAfterWithoutEndpoint(t *testing.T) {
	t.Parallel()
	r := newRig(t, oneRoute(nil))
	r.endpoints()
	if resp, _ := r.dial().get("/"); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
}
