package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"daemun/internal/daemuntest"
)

const watchedService = `apiVersion: v1
kind: Service
metadata: {name: NAME}
spec: {ports: [{port: 80}]}
`

// TestGetWatch: the list first, then each change, and Ctrl-C is a good end.
func TestGetWatch(t *testing.T) {
	t.Parallel()
	d := daemuntest.Up(t, daemuntest.Options{Bin: bin}, map[string]string{"one.yaml": strings.ReplaceAll(watchedService, "NAME", "one")})
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "daemun"), "get", "services", "--watch", "--admin-address", d.Admin)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	next := func(begin, end string) { // there is nothing to wait for but the next line
		t.Helper()
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), begin+" ") && strings.HasSuffix(lines.Text(), end) {
				return
			}
		}
		t.Fatalf("ended without a line %s … %s: %v", begin, end, lines.Err())
	}
	next("NAME", "")
	next("one", "")
	d.Write("two.yaml", strings.ReplaceAll(watchedService, "NAME", "two"))
	next("two", "")
	d.Remove("two.yaml")
	next("two", "(gone)")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
}
