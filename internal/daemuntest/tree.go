package daemuntest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Process is one process of this machine; the start time tells it from a later
// one with the same number.
type Process struct {
	PID     int
	Name    string
	parent  int
	state   string
	started string // in ticks since boot
}

// Descendants returns all processes below a process.
func Descendants(t testing.TB, pid int) []Process {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	children := map[int][]Process{}
	for _, path := range stats {
		if p, err := readStat(path); err == nil { // else it has just ended
			children[p.parent] = append(children[p.parent], p)
		}
	}
	var below []Process
	for queue := []int{pid}; len(queue) > 0; queue = queue[1:] {
		for _, p := range children[queue[0]] {
			below = append(below, p)
			queue = append(queue, p.PID)
		}
	}
	return below
}

// readStat reads /proc/PID/stat: "pid (name) state ppid … starttime …"; the
// name may hold blanks and parentheses.
func readStat(path string) (Process, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Process{}, err
	}
	text := string(b)
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return Process{}, errors.New("no process name")
	}
	p := Process{Name: text[open+1 : end]}
	fields := strings.Fields(text[end+1:])
	if len(fields) < 20 {
		return Process{}, errors.New("too few fields")
	}
	p.state, p.started = fields[0], fields[19]
	if p.PID, err = strconv.Atoi(strings.TrimSpace(text[:open])); err != nil {
		return Process{}, err
	}
	p.parent, err = strconv.Atoi(fields[1])
	return p, err
}

// runs reports whether the process still runs: one that has ended and waits for
// its parent to take notice does not.
func (p Process) runs() bool {
	now, err := readStat(fmt.Sprintf("/proc/%d/stat", p.PID))
	return err == nil && now.started == p.started && !strings.Contains("ZX", now.state)
}

// WaitGone waits until none of the processes runs any more.
func WaitGone(t testing.TB, timeout time.Duration, processes []Process) {
	t.Helper()
	Eventually(t, timeout, "processes gone", func() error {
		processes = slices.DeleteFunc(processes, func(p Process) bool { return !p.runs() })
		if len(processes) > 0 {
			return fmt.Errorf("still running: %v", processes)
		}
		return nil
	})
}

// RSS returns the resident memory of a process in bytes.
func RSS(t testing.TB, pid int) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatalf("process %d has no VmRSS", pid)
	return 0
}
