package admin

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestH8_5PanicTellsTheLogOnly: whoever reaches the port learns nothing of the
// program.
func TestH8_5PanicTellsTheLogOnly(t *testing.T) {
	t.Parallel()
	said := &strings.Builder{}
	h := Handler(Config{
		Restricted: true, Logger: slog.New(slog.NewTextHandler(said, nil)),
		Metrics: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oops") }),
	})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "goroutine") || strings.Contains(w.Body.String(), "oops") {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	if !strings.Contains(said.String(), "goroutine") || !strings.Contains(said.String(), "oops") {
		t.Errorf("log %q", said)
	}
}
