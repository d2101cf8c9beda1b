package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// helperVariable makes the test binary play a program instead of running
// tests.
const helperVariable = "PROCESS_TEST_HELPER"

func TestMain(m *testing.M) {
	if ShimMain() {
		return
	}
	if name := os.Getenv(helperVariable); name != "" {
		os.Exit(helpers[name]())
	}
	goleak.VerifyTestMain(m)
}

// helpers are the programs the test binary can play.
var helpers = map[string]func() int{
	"daemun": helperDaemun,
	"nobody": helperNobody,
	"polite": helperPolite,
}

// helperDaemun starts containers whose trees carry a marker, says so, and
// waits to be killed.
func helperDaemun() int {
	rt, err := modeNamed(os.Getenv("MODE")).runtime()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for i := range 3 {
		_, err := rt.Start(Spec{ID: fmt.Sprintf("t/%d", i), Argv: []string{"/bin/sh", "-c", treeScript(os.Getenv("MARKER"))}, Env: []string{"PATH=/usr/bin:/bin"}})
		if err != nil {
			fmt.Println(err)
			return 1
		}
	}
	fmt.Println("started")
	select {}
}

// helperNobody is a small check of the unprivileged path, run as another user.
func helperNobody() int {
	rt := NewRuntime(Config{})
	defer rt.Close()
	ok, reason := rt.Mounts()
	fmt.Printf("mounts %v %s\n", ok, reason)
	if !ok {
		return 0
	}
	p, err := rt.Start(Spec{
		ID:   "t/p/c",
		Argv: []string{"/bin/sh", "-c", "cat /daemun-test/deep/file; uname -n; cat /etc/hosts; id -u; grep CapEff /proc/self/status; echo x > /daemun-test/deep/new || echo read-only"},
		Env:  []string{"PATH=/usr/bin:/bin"}, Mounts: []Mount{{Source: os.Getenv("SOURCE"), Target: "/daemun-test/deep", ReadOnly: true}},
		Hostname: "own-name", Optional: []Mount{{Source: os.Getenv("SOURCE") + "/hosts", Target: "/etc/hosts"}},
		Output: func(stream string, line []byte) { fmt.Printf("%s\n", line) },
	})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return p.Exit().Code
}

// helperPolite ends with code 7 on SIGTERM, after saying so.
func helperPolite() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	fmt.Println("ready")
	<-ctx.Done()
	fmt.Println("bye")
	return 7
}

// treeScript is a program with a child, and a grandchild in a session of its
// own whose parent has gone; all bear the marker in their arguments.
func treeScript(marker string) string {
	return fmt.Sprintf("(setsid sh -c 'sleep %[1]s; : %[1]s' & ) ; sleep %[1]s & echo up; sleep %[1]s; : %[1]s", marker)
}

// marker returns a number of seconds to sleep that no other process uses.
func marker(t *testing.T) string {
	t.Helper()
	sum := uint32(2166136261)
	for _, b := range []byte(t.Name()) {
		sum = (sum ^ uint32(b)) * 16777619
	}
	return fmt.Sprintf("9%d.%d", sum, os.Getpid())
}

// marked counts processes with the marker in their arguments.
func marked(marker string) int {
	n := 0
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil && strings.Contains(string(text), marker) {
			n++
		}
	}
	return n
}

// eventually polls until cond holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("timed out: %s", what)
		}
	}
}

// mode is one way to run a test: as the machine permits, and as on machines
// that permit less.
type mode struct {
	name   string
	cfg    Config
	adjust func(*isolation) // of what was found, if that has mounts
}

var modes = []mode{
	{"namespaces", Config{}, nil},
	{"no PID namespace", Config{}, func(i *isolation) { i.pid = false }},
	{"user namespace", Config{}, func(i *isolation) { i.user = true }},
	{"fallback", Config{NoNamespaces: true}, nil},
}

func modeNamed(name string) mode {
	for _, m := range modes {
		if m.name == name {
			return m
		}
	}
	panic("no mode " + name)
}

// runtime returns a Runtime in this mode, or an error where the machine
// permits less than the mode needs.
func (m mode) runtime() (*Runtime, error) {
	rt := NewRuntime(m.cfg)
	ok, reason := rt.Mounts()
	if m.adjust == nil {
		return rt, nil
	}
	if !ok {
		return nil, errors.Join(errors.New(reason), rt.Close())
	}
	m.adjust(&rt.isolation)
	return rt, nil
}

// inModes runs a test in all modes, in parallel, each with a Runtime.
func inModes(t *testing.T, test func(t *testing.T, rt *Runtime)) {
	t.Helper()
	t.Parallel()
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			rt, err := m.runtime()
			if err != nil {
				t.Skip(err)
			}
			t.Cleanup(func() {
				if err := rt.Close(); err != nil {
					t.Error(err)
				}
			})
			test(t, rt)
		})
	}
}

// inMountModes runs a test in the modes that have private mounts.
func inMountModes(t *testing.T, test func(t *testing.T, rt *Runtime)) {
	t.Helper()
	inModes(t, func(t *testing.T, rt *Runtime) {
		ok, reason := rt.Mounts()
		if !ok && !rt.cfg.NoNamespaces {
			t.Skipf("this machine has no private mounts: %s", reason)
		}
		if ok {
			test(t, rt)
		}
	})
}

func newTestRuntime(t *testing.T, cfg Config) *Runtime {
	t.Helper()
	rt := NewRuntime(cfg)
	t.Cleanup(func() {
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	})
	return rt
}

// capture collects lines as "stream: text".
type capture struct {
	mu    sync.Mutex
	lines []string
}

func (c *capture) add(stream string, line []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, stream+": "+string(line))
}

func (c *capture) get() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.lines...)
}

func (c *capture) has(line string) bool {
	for _, l := range c.get() {
		if l == line {
			return true
		}
	}
	return false
}

// testPath is enough for what tests run.
const testPath = "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"

// run starts a shell script and waits for its end.
func run(t *testing.T, rt *Runtime, script string, mounts ...Mount) (Exit, []string) {
	t.Helper()
	var c capture
	p, err := rt.Start(Spec{ID: "t/p/c", Argv: []string{"sh", "-c", script}, Env: []string{testPath}, Mounts: mounts, Output: c.add})
	if err != nil {
		t.Fatal(err)
	}
	return p.Exit(), c.get()
}

func readFirstLine(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	line, err := r.ReadString('\n')
	if err != nil && !errors.Is(err, os.ErrClosed) {
		t.Fatalf("read a line: %v", err)
	}
	return strings.TrimSpace(line)
}
