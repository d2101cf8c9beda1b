// Package lab is what the comparisons share: it starts programs pinned to a
// core, reads what they cost, and takes medians. It knows no proxy and no kind
// of traffic. It owns no goroutines; Stop ends every process that Run started.
package lab

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// The cores: one for the program under test, one for everything else.
const (
	ProxyCore = "0"
	LoadCore  = "1"
)

// Options are the flags that every comparison has.
type Options struct {
	Duration  time.Duration
	Rounds    int
	Out, Only string
}

// Flags declares them; they are set once flag.Parse has run.
func Flags() *Options {
	o := &Options{}
	flag.DurationVar(&o.Duration, "duration", 2*time.Second, "of one measurement, in whole seconds")
	flag.IntVar(&o.Rounds, "rounds", 3, "measurements per cell and program; the median counts")
	flag.StringVar(&o.Out, "out", "bench/RESULTS.md", "file whose sections to write")
	flag.StringVar(&o.Only, "only", "", "measure only cells whose name contains this, and write no file")
	return o
}

// Wants reports whether a cell of this name was asked for.
func (o *Options) Wants(name string) bool { return strings.Contains(name, o.Only) }

// Seconds is the duration as the load generators want it, one at least.
func (o *Options) Seconds() int { return max(1, int(o.Duration.Seconds())) }

// Lab is what one run has started.
type Lab struct {
	Ctx       context.Context
	dir       string
	processes []*exec.Cmd
}

// New makes a lab with a folder of its own. It refuses a machine on which
// load and proxy could not be kept apart.
func New(ctx context.Context) (*Lab, error) {
	if runtime.NumCPU() < 2 {
		return nil, fmt.Errorf("needs two cores, this machine shows %d", runtime.NumCPU())
	}
	dir, err := os.MkdirTemp("", "daemun-bench-")
	return &Lab{Ctx: ctx, dir: dir}, err
}

// Stop ends what Run has started, in reverse, and waits for it; the lab can be
// used again.
func (l *Lab) Stop() {
	for _, p := range slices.Backward(l.processes) {
		// Interrupt lets Daemun take its children along; the rest needs no
		// grace.
		_ = p.Process.Signal(os.Interrupt)
		_ = p.Wait()
	}
	l.processes = nil
}

// Close stops everything and removes the folder.
func (l *Lab) Close() {
	l.Stop()
	_ = os.RemoveAll(l.dir)
}

// File is the path of a file in the lab's folder.
func (l *Lab) File(name string) string { return filepath.Join(l.dir, name) }

// Write makes such a file.
func (l *Lab) Write(name, content string) error {
	return os.WriteFile(l.File(name), []byte(content), 0o600)
}

// Build compiles Go packages of this module to files named as their keys.
func (l *Lab) Build(packages map[string]string) error {
	for name, pkg := range packages {
		if err := l.BuildIn(".", name, pkg); err != nil {
			return err
		}
	}
	return nil
}

// BuildIn compiles a package of the module in a folder.
func (l *Lab) BuildIn(module, name, pkg string) error {
	cmd := exec.CommandContext(l.Ctx, "go", "build", "-trimpath", "-o", l.File(name), pkg)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as the programs are released
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// Run starts a program on a core with its output in a file name.log, and
// returns its process id.
func (l *Lab) Run(core, name string, argv ...string) (int, error) {
	out, err := os.Create(l.File(name + ".log"))
	if err != nil {
		return 0, err
	}
	defer out.Close()
	cmd := exec.Command("taskset", append([]string{"-c", core}, argv...)...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start %s: %w", name, err)
	}
	l.processes = append(l.processes, cmd)
	return cmd.Process.Pid, nil
}

// Log is the end of what a program has printed.
func (l *Lab) Log(name string) string {
	b, _ := os.ReadFile(l.File(name + ".log"))
	return string(b[max(0, len(b)-4000):])
}

// Load runs a load generator to its end on the core that is not the proxy's,
// and returns what it printed and what that cost the process pid.
func (l *Lab) Load(pid int, argv ...string) (out []byte, cpu time.Duration, err error) {
	before, err := CPUTime(pid)
	if err != nil {
		return nil, 0, err
	}
	cmd := exec.CommandContext(l.Ctx, "taskset", append([]string{"-c", LoadCore}, argv...)...)
	if out, err = cmd.CombinedOutput(); err != nil {
		return nil, 0, fmt.Errorf("%s: %w\n%s", filepath.Base(argv[0]), err, out)
	}
	after, err := CPUTime(pid)
	return out, after - before, err
}

// LoadFrom is Load whose cost counts only from the line on that contains the
// mark; an empty one is the beginning.
func (l *Lab) LoadFrom(pid int, mark string, argv ...string) (out []byte, cpu time.Duration, err error) {
	if mark == "" {
		return l.Load(pid, argv...)
	}
	cmd := exec.CommandContext(l.Ctx, "taskset", append([]string{"-c", LoadCore}, argv...)...)
	w := &marked{mark: []byte(mark), seen: func() (time.Duration, error) { return CPUTime(pid) }}
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Run()
	switch out = w.all.Bytes(); {
	case err != nil:
		return nil, 0, fmt.Errorf("%s: %w\n%s", filepath.Base(argv[0]), err, out)
	case !w.found:
		return nil, 0, fmt.Errorf("%s did not say %q:\n%s", filepath.Base(argv[0]), mark, out)
	case w.err != nil:
		return nil, 0, w.err
	}
	after, err := CPUTime(pid)
	return out, after - w.before, err
}

// marked keeps what is written, and reads a figure when the mark comes.
type marked struct {
	mark   []byte
	seen   func() (time.Duration, error)
	all    bytes.Buffer
	found  bool
	before time.Duration
	err    error
}

func (m *marked) Write(p []byte) (int, error) {
	n, err := m.all.Write(p)
	if !m.found && bytes.Contains(m.all.Bytes(), m.mark) {
		m.found = true
		m.before, m.err = m.seen()
	}
	return n, err
}

// JSON reads the line with an object that a load generator has printed, among
// whatever else it said.
func JSON(out []byte, into any) error {
	for line := range bytes.Lines(out) {
		if bytes.HasPrefix(line, []byte("{")) && json.Unmarshal(line, into) == nil {
			return nil
		}
	}
	return fmt.Errorf("the load generator printed no result:\n%s", out)
}

// Await tries until it succeeds, for half a minute at most.
func (l *Lab) Await(try func() error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := try()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-l.Ctx.Done():
			return errors.Join(err, l.Ctx.Err())
		case <-tick.C:
		}
	}
}

// FreeAddress is a port of 127.0.0.1 that nobody had a moment ago.
func FreeAddress() (string, error) {
	list, err := FreeAddresses(1)
	if err != nil {
		return "", err
	}
	return list[0], nil
}

// FreeAddresses are n of them, all different.
func FreeAddresses(n int) ([]string, error) {
	var list []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // only then: the next one would have the same port
		list = append(list, l.Addr().String())
	}
	return list, nil
}

// PortOf is what stands behind the colon.
func PortOf(addr string) string {
	_, port, _ := strings.Cut(addr, ":")
	return port
}

// FirstLine is that of a command's output: its version, usually.
func FirstLine(argv ...string) string {
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil && len(out) == 0 {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimPrefix(line, "nginx version: ")
}

// Median is that of one figure of a list that is not empty.
func Median[S any, T cmp.Ordered](list []S, figure func(S) T) T {
	all := make([]T, 0, len(list))
	for _, s := range list {
		all = append(all, figure(s))
	}
	slices.Sort(all)
	return all[len(all)/2]
}
