package main

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"daemun/internal/daemuntest"
)

// TestTapShowsRequests: what matches is shown without what may be a credential,
// and the command ends by itself after --count.
func TestTapShowsRequests(t *testing.T) {
	t.Parallel()
	d := daemuntest.Up(t, daemuntest.Options{Bin: bin}, map[string]string{"one.yaml": strings.ReplaceAll(watchedService, "NAME", "one")})
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "daemun"), "tap", "--admin-address", d.Admin, "--path", "/seen", "--count", "1")
	talk, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// Whoever says that it watches does: requests from now on are seen.
	if first, err := bufio.NewReader(talk).ReadString('\n'); err != nil || !strings.HasPrefix(first, "watching requests") {
		t.Fatalf("%q, %v", first, err)
	}
	for _, path := range []string{"/unseen", "/seen?token=abc"} {
		resp, err := d.Client().Get("http://" + d.HTTP + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "404  GET ") || !strings.Contains(got, "/seen?token=[redacted]") {
		t.Errorf("printed:\n%s", got)
	}
}
