package kube

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// TestOutageSaysWhatIsServed: before the first configuration that is nothing.
func TestOutageSaysWhatIsServed(t *testing.T) {
	t.Parallel()
	said := &strings.Builder{}
	h, n := newHealth(slog.New(slog.NewTextHandler(said, nil)), "https://api.test"), &sink{}
	refused := errors.New("connection refused")
	h.heard(n, refused)
	if !strings.Contains(said.String(), "nothing is served") || strings.Contains(said.String(), "last configuration") {
		t.Errorf("said %s", said)
	}
	h.heard(n, nil)
	h.complete = true
	h.heard(n, refused)
	if !strings.Contains(said.String(), "the last configuration stays in service") {
		t.Errorf("said %s", said)
	}
}
