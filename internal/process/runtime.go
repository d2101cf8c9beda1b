package process

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Config is what a Runtime needs. The zero value is ready for use.
type Config struct {
	// Exe is the binary to start as shim; its main calls ShimMain first. Empty:
	// this very binary, even if its file was replaced meanwhile.
	Exe string
	// NoNamespaces makes the Runtime behave as on a machine that refuses
	// namespaces.
	NoNamespaces bool
}

// Runtime starts processes. It is safe for concurrent use; Close it to end
// what still runs.
type Runtime struct {
	cfg        Config
	forceAfter time.Duration // forceAfter outside tests

	probe     sync.Once // guards the two fields below
	isolation isolation
	reason    string

	mu      sync.Mutex // guards what follows
	closed  bool
	spawns  chan func() // to the spawning thread; nil until needed
	running map[*Process]bool
	active  sync.WaitGroup // starts under way and running processes
	thread  sync.WaitGroup // the spawning thread
}

// NewRuntime returns a Runtime. It starts nothing.
func NewRuntime(cfg Config) *Runtime {
	if cfg.Exe == "" {
		cfg.Exe = "/proc/self/exe"
	}
	return &Runtime{cfg: cfg, forceAfter: forceAfter, running: map[*Process]bool{}}
}

// errClosed is what Start returns after Close.
var errClosed = errors.New("the process runtime is closed")

// Close kills every container that still runs and waits for its end. Start
// fails afterwards. Closing twice is no error.
func (r *Runtime) Close() error {
	r.mu.Lock()
	r.closed = true
	running := slices.Collect(maps.Keys(r.running))
	r.mu.Unlock()
	for _, p := range running {
		p.Kill()
	}
	r.active.Wait()
	r.mu.Lock()
	if r.spawns != nil {
		close(r.spawns)
		r.spawns = nil
	}
	r.mu.Unlock()
	r.thread.Wait()
	return nil
}

// begin counts a use of the spawning thread, which must not end before it.
func (r *Runtime) begin() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return errClosed
	}
	r.active.Add(1)
	if r.spawns == nil {
		r.spawns = make(chan func())
		r.thread.Add(1)
		go r.spawn(r.spawns)
	}
	return nil
}

// spawn runs functions on one thread that lives as long as the Runtime: the
// kernel sends a shim its parent-death signal when the *thread* that created
// it ends, and Go ends threads as it likes.
func (r *Runtime) spawn(jobs <-chan func()) {
	defer r.thread.Done()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for job := range jobs {
		job()
	}
}

// Start starts a container and returns when its program runs. A *StartError
// names what is wrong with the Spec (program not found, not executable, mount
// target impossible); other errors are the machine's.
func (r *Runtime) Start(spec Spec) (*Process, error) {
	if err := checkSpec(spec); err != nil {
		return nil, err
	}
	r.Mounts() // decides the isolation
	if err := r.begin(); err != nil {
		return nil, err
	}
	p, err := r.start(spec)
	if err != nil {
		r.active.Done()
		return nil, err
	}
	r.mu.Lock()
	r.running[p] = true
	late := r.closed
	r.mu.Unlock()
	if late {
		p.Kill()
	}
	go func() {
		defer r.active.Done()
		p.serve()
		r.mu.Lock()
		delete(r.running, p)
		r.mu.Unlock()
		close(p.done)
	}()
	return p, nil
}

// checkSpec refuses what no kernel call can carry.
func checkSpec(spec Spec) error {
	fault := func(format string, args ...any) error {
		return &StartError{ID: spec.ID, Code: 128, Text: fmt.Sprintf(format, args...)}
	}
	if len(spec.Argv) == 0 || spec.Argv[0] == "" {
		return fault("no command: argv is empty")
	}
	if spec.WorkingDir != "" && spec.WorkingDir[0] != '/' {
		return fault("working directory %q is not an absolute path", spec.WorkingDir)
	}
	for _, list := range [][]string{spec.Argv, spec.Env, {spec.WorkingDir, spec.Hostname}} {
		for _, s := range list {
			if strings.IndexByte(s, 0) >= 0 {
				return fault("%q holds a NUL octet, which no argument, variable or path can carry", s)
			}
		}
	}
	for _, m := range slices.Concat(spec.Mounts, spec.Optional) {
		if !strings.HasPrefix(m.Target, "/") || strings.Trim(m.Target, "/") == "" {
			return fault("mount target %q is not an absolute path below /", m.Target)
		}
		if strings.IndexByte(m.Source+m.Target, 0) >= 0 {
			return fault("mount %q at %q holds a NUL octet", m.Source, m.Target)
		}
	}
	return nil
}

// startTimeout bounds how long a shim may take to start a program. Generous:
// its volumes may lie on a slow disk.
const startTimeout = 60 * time.Second

// start launches a shim and waits for its answer.
func (r *Runtime) start(spec Spec) (*Process, error) {
	out, err := newOutput(spec)
	if err != nil {
		return nil, fmt.Errorf("container %s: log file: %w", spec.ID, err)
	}
	s, err := r.launch(spec.ID, r.isolation)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("container %s: start shim: %w", spec.ID, err), out.close())
	}
	started, err := s.request(startRequest{
		isolation: r.isolation, argv: spec.Argv, env: spec.Env, dir: spec.WorkingDir,
		mounts: spec.Mounts, optional: spec.Optional, hostname: spec.Hostname,
	})
	if err == nil {
		p := newProcess(spec.ID, s, out, started)
		p.forceAfter = r.forceAfter
		return p, nil
	}
	s.discard()
	_ = out.close() // nothing was written
	var failed *StartError
	if errors.As(err, &failed) {
		failed.ID = spec.ID
		return nil, failed
	}
	return nil, fmt.Errorf("container %s: %w", spec.ID, err)
}

// shimProcess is Daemun's side of a running shim.
type shimProcess struct {
	conn           *net.UnixConn
	stdout, stderr *os.File // read ends
	process        *os.Process
	isolation      isolation
}

// launch starts a shim that waits for its first frame.
func (r *Runtime) launch(id string, iso isolation) (*shimProcess, error) {
	var opened []*os.File
	defer func() {
		for _, f := range opened { // the shim's ends
			_ = f.Close()
		}
	}()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	opened = append(opened, null)
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	opened = append(opened, theirs)
	s := &shimProcess{conn: ours, isolation: iso}
	var outEnd, errEnd *os.File
	if s.stdout, outEnd, err = os.Pipe(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	opened = append(opened, outEnd)
	if s.stderr, errEnd, err = os.Pipe(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	opened = append(opened, errEnd)
	attr := &os.ProcAttr{
		Env:   []string{shimVariable + "=1", "GOMAXPROCS=1"},
		Files: []*os.File{null, outEnd, errEnd, theirs},
		Sys:   shimAttributes(iso),
	}
	done := make(chan struct{})
	r.spawns <- func() {
		s.process, err = os.StartProcess(r.cfg.Exe, []string{shimName, id}, attr)
		close(done)
	}
	<-done
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// shimAttributes turns an isolation into kernel flags.
func shimAttributes(iso isolation) *syscall.SysProcAttr {
	// A session of its own keeps the terminal's Ctrl-C from the shim.
	attr := &syscall.SysProcAttr{Setsid: true}
	if iso.mount {
		attr.Cloneflags |= unix.CLONE_NEWNS
	}
	if iso.uts {
		attr.Cloneflags |= unix.CLONE_NEWUTS
	}
	if iso.pid {
		attr.Cloneflags |= unix.CLONE_NEWPID
		// Only here: without a PID namespace a killed shim would leave its
		// descendants behind, whereas a living one sees the socket close.
		attr.Pdeathsig = syscall.SIGKILL
	}
	if iso.user {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
		// Executing the shim drops capabilities unless the user is root or they
		// are ambient.
		attr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SYS_CHROOT}
	}
	return attr
}

// socketPair returns a connected pair: Daemun's end for the poller, and the
// shim's to be inherited.
func socketPair() (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "shim")
	ours := os.NewFile(uintptr(fds[0]), "shim control")
	conn, err := net.FileConn(ours) // a duplicate
	err = errors.Join(err, ours.Close())
	if err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return conn.(*net.UnixConn), theirs, nil
}

// request sends the first frame and returns the answer.
func (s *shimProcess) request(req startRequest) (none startedReply, err error) {
	if err := s.conn.SetDeadline(time.Now().Add(startTimeout)); err != nil {
		return none, err
	}
	if err := writeFrame(s.conn, kindStart, req.encode()); err != nil {
		return none, fmt.Errorf("shim: %w", err)
	}
	k, body, err := readFrame(s.conn)
	if err != nil {
		return none, fmt.Errorf("shim gave no answer: %w", err)
	}
	if err := s.conn.SetDeadline(time.Time{}); err != nil {
		return none, err
	}
	switch k {
	case kindStarted:
		return startedReplyFrom(body)
	case kindFailed:
		f, err := startFailureFrom(body)
		if err != nil {
			return none, err
		}
		return none, &StartError{Code: f.code, Text: f.text}
	default:
		return none, fmt.Errorf("shim answered with frame kind %d", k)
	}
}

// discard ends a shim that started nothing.
func (s *shimProcess) discard() {
	_ = s.close() // the shim sees its socket close and ends, if it has not
	if s.isolation.pid {
		_ = s.process.Kill()
	}
	_, _ = s.process.Wait()
}

// close closes Daemun's ends.
func (s *shimProcess) close() error {
	err := s.conn.Close()
	for _, f := range []*os.File{s.stdout, s.stderr} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}
