// Package daemuntest is the kit for tests of the whole: it builds the program
// once, starts `daemun up` on free ports with its own state, and asks it
// things the way users do.
//
// It is imported by tests only.
package daemuntest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Build builds the program and returns the folder that holds it as "daemun".
// The folder goes away with the test.
func Build(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := BuildTo(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// BuildTo builds the program as "daemun" in a folder, for a TestMain. Flags are
// those of go build.
func BuildTo(dir string, flags ...string) error {
	args := append([]string{"build", "-o", filepath.Join(dir, "daemun")}, flags...)
	cmd := exec.Command("go", append(args, "daemun/cmd/daemun")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build daemun: %w\n%s", err, out)
	}
	return nil
}

// Instance is one running `daemun up`.
type Instance struct {
	// HTTP, HTTPS, DNS, Admin and, if there is one, Profiler are the bound
	// addresses.
	HTTP, HTTPS, DNS, Admin, Profiler string
	Networks                          Networks `json:"-"`
	// Dir is the working directory, Manifests the folder of manifests in it.
	Dir, Manifests string
	Process        *os.Process

	t      testing.TB
	bin    string
	client *http.Client
	stdout lockedBuffer
	stderr lockedBuffer
	exited chan struct{}
	err    error // valid once exited is closed
}

// Options change how an instance is started.
type Options struct {
	// Bin is what Build returned.
	Bin string
	// Paths are the manifests to run, relative to Dir; default "manifests".
	Paths []string
	// Args are further arguments of `up`.
	Args []string
	// Env is added to the environment.
	Env []string
	// Dir is the working directory; default a new one.
	Dir string
	// NodePorts overrides Networks.NodePorts.
	NodePorts string
	// Networks are the addresses of an instance that ran before, so that
	// another one takes its place; default are new ones.
	Networks *Networks
	// Confined takes away what root may do with the files of others, so that
	// permissions count as they do for everybody.
	Confined bool
	// Ordinary starts it as a user without privileges when the test is root's.
	Ordinary bool
	// Wrap is a command that ends with exec "$@", put in front.
	Wrap []string
}

// Up starts an instance on manifests (file name → text) and waits until it is
// ready. It is stopped with the test, which fails if that does not go in
// order.
func Up(t testing.TB, o Options, manifests map[string]string) *Instance {
	t.Helper()
	d := Start(t, o, manifests)
	d.waitReady(60 * time.Second)
	return d
}

// Start is Up without waiting.
func Start(t testing.TB, o Options, manifests map[string]string) *Instance {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	ordinary := o.Ordinary && os.Getuid() == 0
	if ordinary {
		o.Dir, o.Bin = ordinaryHome(t, o.Bin)
	}
	d := &Instance{t: t, bin: o.Bin, Dir: o.Dir, Manifests: filepath.Join(o.Dir, "manifests"), exited: make(chan struct{})}
	if err := os.MkdirAll(d.Manifests, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(d.readyFile()); err != nil { // of an earlier instance
		t.Fatal(err)
	}
	d.client = d.newClient()
	for name, text := range manifests {
		d.Write(name, text)
	}
	if len(o.Paths) == 0 {
		o.Paths = []string{"manifests"}
	}
	if o.Networks != nil {
		d.Networks = *o.Networks
	} else {
		d.Networks = ReserveNetworks(t)
	}
	d.Networks.NodePorts = cmp.Or(o.NodePorts, d.Networks.NodePorts)
	args := append([]string{
		"up", "--http-port", "0", "--https-port", "0", "--dns-port", "0", "--admin-address", "127.0.0.1:0",
		"--ready-file", d.readyFile(), "--state-dir", filepath.Join(o.Dir, "state"),
	}, d.Networks.Flags()...)
	args = append(args, o.Args...)
	argv := slices.Concat(o.Wrap, []string{filepath.Join(o.Bin, "daemun")}, args, o.Paths)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = o.Dir
	cmd.Env = append(append(os.Environ(), "NO_COLOR=1"), o.Env...)
	cmd.Stdout, cmd.Stderr = &d.stdout, &d.stderr
	// A process group of its own: a signal to the test must not reach it twice.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if o.Confined && os.Getuid() == 0 {
		// In a user namespace that knows no user but root, root has no power
		// over files of other users.
		self := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}}
		cmd.SysProcAttr.Cloneflags, cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = syscall.CLONE_NEWUSER, self, self
	}
	if ordinary {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.Process = cmd.Process
	go func() { // ends with the process
		d.err = cmd.Wait()
		close(d.exited)
	}()
	t.Cleanup(d.cleanup)
	return d
}

// nobody is the user and group without privileges.
const nobody = 65534

// ordinaryHome makes a folder that belongs to an ordinary user, with the
// program in it: folders of tests are closed to others.
func ordinaryHome(t testing.TB, bin string) (dir, program string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "daemun-ordinary-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	program = filepath.Join(dir, "bin")
	if err := errors.Join(
		os.Chown(dir, nobody, nobody), os.Mkdir(program, 0o755),
		os.Link(filepath.Join(bin, "daemun"), filepath.Join(program, "daemun")),
	); err != nil {
		t.Fatal(err)
	}
	return dir, program
}

func (d *Instance) readyFile() string { return filepath.Join(d.Dir, "ready.json") }

func (d *Instance) cleanup() {
	d.client.CloseIdleConnections()
	select {
	case <-d.exited:
		return
	default:
	}
	if err := d.Stop(); err != nil {
		d.t.Errorf("daemun up ended with %v\n%s", err, lastLines(d.Stderr()))
	} else if d.t.Failed() {
		d.t.Logf("daemun up printed:\n%s", lastLines(d.Stderr()))
	}
}

// lastLines cuts long output to what a person reads of a failed test.
func lastLines(text string) string {
	const most = 60
	lines := strings.SplitAfter(text, "\n")
	if len(lines) <= most {
		return text
	}
	return "…\n" + strings.Join(lines[len(lines)-most:], "")
}

// Stop sends SIGTERM and waits for the end; the error is that of the process.
func (d *Instance) Stop() error {
	_ = d.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	return d.Wait(30 * time.Second)
}

// Wait waits for the end of the process.
func (d *Instance) Wait(timeout time.Duration) error {
	select {
	case <-d.exited:
		return d.err
	case <-time.After(timeout):
		_ = d.Process.Kill()
		<-d.exited
		return fmt.Errorf("had to be killed after %s", timeout)
	}
}

// Exited is closed when the process has ended.
func (d *Instance) Exited() <-chan struct{} { return d.exited }

// Stdout and Stderr return what was printed so far.
func (d *Instance) Stdout() string { return d.stdout.String() }

// Stderr returns what was said so far.
func (d *Instance) Stderr() string { return d.stderr.String() }

// WaitReady waits until an instance of Start is ready.
func (d *Instance) WaitReady(timeout time.Duration) {
	d.t.Helper()
	d.waitReady(timeout)
}

func (d *Instance) waitReady(timeout time.Duration) {
	d.t.Helper()
	d.Eventually(timeout, "ready", func() error {
		select {
		case <-d.exited:
			d.t.Fatalf("daemun up ended: %v\n%s", d.err, d.Stderr())
		default:
		}
		b, err := os.ReadFile(d.readyFile())
		if err != nil {
			return err
		}
		return json.Unmarshal(b, d)
	})
}

// Write writes a manifest file; the folder is watched.
func (d *Instance) Write(name, text string) {
	d.t.Helper()
	path := filepath.Join(d.Manifests, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		d.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		d.t.Fatal(err)
	}
}

// Eventually tries f until it succeeds; the test fails when the time is over.
func (d *Instance) Eventually(timeout time.Duration, what string, f func() error) {
	d.t.Helper()
	Eventually(d.t, timeout, what, f)
}

// Eventually tries f every 20 ms until it succeeds; the test fails with f's
// last error when the time is over.
func Eventually(t testing.TB, timeout time.Duration, what string, f func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(timeout)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, timeout, err)
		}
		<-tick.C
	}
}

// Run runs another daemun command against the instance and returns what it
// printed on both outputs and its exit code.
func (d *Instance) Run(args ...string) (out string, code int) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(d.bin, "daemun"), args...)
	cmd.Dir = d.Dir
	cmd.Env = append(os.Environ(), "NO_COLOR=1", "DAEMUN_ADMIN_ADDRESS="+d.Admin)
	b, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		d.t.Fatal(err)
	}
	return string(b), cmd.ProcessState.ExitCode()
}

// Remove removes a manifest file.
func (d *Instance) Remove(name string) {
	d.t.Helper()
	if err := os.Remove(filepath.Join(d.Manifests, name)); err != nil {
		d.t.Fatal(err)
	}
}

// Client returns the client of the instance: it takes every host name to the
// instance and follows no redirect.
func (d *Instance) Client() *http.Client { return d.client }

func (d *Instance) newClient() *http.Client {
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		to := d.HTTP
		if strings.HasSuffix(addr, ":443") {
			to = d.HTTPS
		}
		return (&net.Dialer{}).DialContext(ctx, network, to)
	}
	return &http.Client{
		Timeout:       20 * time.Second,
		Transport:     &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Echo is the answer of the image daemun/echo.
type Echo struct {
	Path, Host, Method, Proto, Namespace, Ingress, Service, Pod string
	Headers                                                     map[string][]string
	RemoteAddr                                                  string
}

// Get asks for a URL and decodes the echo; status is that of the response.
func (d *Instance) Get(url string) (status int, e Echo, err error) {
	resp, err := d.Client().Get(url)
	if err != nil {
		return 0, e, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body) // to its end, so that the connection is used again
	if err == nil && resp.Header.Get("Content-Type") == "application/json" {
		err = json.Unmarshal(body, &e)
	}
	return resp.StatusCode, e, err
}

// lockedBuffer collects output that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
