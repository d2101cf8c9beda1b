package main

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"daemun/internal/daemuntest"
)

const watchedService = `apiVersion: v1
kind: Service
metadata: {name: NAME}
spec: {ports: [{port: 80}]}
`

// TestGetWatchEndsUnread: "daemun get --watch | head" ends with head, although
// nothing changes.
func TestGetWatchEndsUnread(t *testing.T) {
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
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	out.Close()
	// There is nothing to wait for but its end, which the signal is that comes in
	// the middle of a list.
	if state, ok := exitOf(cmd.Wait()); !ok || state.Exited() && state.ExitStatus() != 0 || state.Signaled() && state.Signal() != syscall.SIGPIPE {
		t.Errorf("unread: %v", state)
	}
}

// exitOf is how a process has ended.
func exitOf(err error) (state syscall.WaitStatus, ok bool) {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		state, ok = exit.Sys().(syscall.WaitStatus)
		return state, ok
	}
	return 0, err == nil
}

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
