package process

import (
	"fmt"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A process is a shim when it bears this name and this variable. The program
// sees neither: its arguments and environment come over the socket.
const (
	shimName     = "daemun-shim"
	shimVariable = "DAEMUN_SHIM"
)

// controlFD is the shim's end of the socket, after stdin, stdout and stderr.
const controlFD = 3

// ShimMain is the body of the shim process. cmd/daemun and test mains call it
// first thing: it returns false at once unless this process was started as a
// shim, otherwise it does not return.
func ShimMain() bool {
	if len(os.Args) == 0 || os.Args[0] != shimName || os.Getenv(shimVariable) != "1" {
		return false
	}
	// One thread does all forks: capabilities belong to threads, and a program's
	// parent-death signal follows the thread that started it.
	runtime.LockOSThread()
	// Not os.Exit: nothing of the program's own exit work is the shim's (a race
	// detector's, for one, waits a second).
	unix.Exit(runShim())
	return true
}

// shim is the state of a shim process. One goroutine owns it, which runs on a
// locked thread.
type shim struct {
	req      startRequest
	control  *os.File
	frames   chan frame
	children chan os.Signal // SIGCHLD
	finished chan *execRun  // commands whose output is complete
	outer    *os.File       // the machine's /proc, to translate PIDs; nil once the program runs
	leftOut  []string       // why optional parts of the view are not there

	program int // PID as the shim sees it; 0: none yet
	ended   bool
	status  syscall.WaitStatus
	execs   map[int]*execRun // by PID as the shim sees it
}

type frame struct {
	kind kind
	body []byte
}

// runShim returns the exit code, which nobody reads.
func runShim() int {
	name := append([]byte(shimName), 0)
	_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0) // cosmetic
	// The program must not inherit the socket: its end tells Daemun that the
	// shim is gone. Nor anything else that Daemun itself was started with.
	// Non-blocking, so that the runtime polls it.
	syscall.CloseOnExec(controlFD)
	_ = unix.CloseRange(controlFD, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) // from Linux 5.11
	if err := syscall.SetNonblock(controlFD, true); err != nil {
		fmt.Fprintf(os.Stderr, "%s is started by daemun only: %v\n", shimName, err)
		return 2
	}
	s := &shim{
		control:  os.NewFile(controlFD, "control"),
		frames:   make(chan frame),
		children: make(chan os.Signal, 1),
		finished: make(chan *execRun),
		execs:    map[int]*execRun{},
	}
	// Signals meant for Daemun's tree (a service manager's SIGTERM, say) reach
	// the shim too; Daemun decides what follows. Not signal.Ignore: the program
	// would inherit that.
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT,
		unix.SIGPIPE, unix.SIGUSR1, unix.SIGUSR2)
	signal.Notify(s.children, unix.SIGCHLD)
	k, body, err := readFrame(s.control)
	if err != nil || k != kindStart {
		return 2 // Daemun is gone
	}
	if s.req, err = startRequestFrom(body); err != nil {
		return 2
	}
	if failure := s.start(); failure != nil {
		_ = s.tell(kindFailed, failure.encode())
		s.endTree()
		return 1
	}
	if s.req.probe {
		return 0
	}
	go s.receive()
	debug.FreeOSMemory()
	s.loop()
	return 0
}

// start prepares the view and starts the program.
func (s *shim) start() *startFailure {
	iso := s.req.isolation
	if !iso.pid {
		// Orphans of the tree become the shim's children instead of init's.
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return &startFailure{128, fmt.Sprintf("become reaper: %v", err)}
		}
	}
	if iso.pid {
		var err error
		if s.outer, err = os.OpenFile("/proc", unix.O_PATH|unix.O_DIRECTORY, 0); err != nil {
			return &startFailure{128, err.Error()}
		}
		defer s.outer.Close()
	}
	if iso.mount {
		var err error
		if s.leftOut, err = prepareView(s.req); err != nil {
			return &startFailure{128, err.Error()}
		}
	}
	if iso.uts && s.req.hostname != "" {
		if err := unix.Sethostname([]byte(s.req.hostname)); err != nil {
			s.leftOut = append(s.leftOut, fmt.Sprintf("host name %q: %v", s.req.hostname, err))
		}
	}
	if iso.user {
		if err := dropCapabilities(); err != nil {
			return &startFailure{128, err.Error()}
		}
	}
	if s.req.probe {
		if _, err := s.machinePID(-1); err != nil {
			return &startFailure{128, err.Error()}
		}
		return s.started(0)
	}
	pid, pidfd, failure := s.fork(s.req.argv, []uintptr{0, 1, 2})
	if failure != nil {
		return failure
	}
	s.program = pid
	machine, err := s.machinePID(pidfd)
	_ = unix.Close(pidfd)
	if err != nil {
		return &startFailure{128, err.Error()}
	}
	s.releaseOutput()
	return s.started(machine)
}

func (s *shim) started(pid int) *startFailure {
	if err := s.tell(kindStarted, startedReply{pid, s.leftOut}.encode()); err != nil {
		return &startFailure{128, err.Error()}
	}
	return nil
}

// releaseOutput lets the output pipes end with the program's tree.
func (s *shim) releaseOutput() {
	for fd := 1; fd <= 2; fd++ {
		_ = unix.Dup3(0, fd, 0) // the null device
	}
}

// dropCapabilities gives up what the view needed, so that the program does not
// inherit it. For root in a user namespace the program is root there anyway.
func dropCapabilities() error {
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	if os.Geteuid() == 0 {
		return nil
	}
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&head, &none[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}

// machinePID is the PID that the machine knows for the process behind pidfd
// (-1: any process, to see whether asking works). Without a PID namespace both
// sides agree.
func (s *shim) machinePID(pidfd int) (int, error) {
	if !s.req.isolation.pid {
		return s.program, nil
	}
	if pidfd < 0 {
		var err error
		if pidfd, err = unix.PidfdOpen(os.Getpid(), 0); err != nil {
			return 0, fmt.Errorf("pidfd_open: %w", err)
		}
		defer unix.Close(pidfd)
	}
	path := fmt.Sprintf("/proc/self/fd/%d/self/fdinfo/%d", s.outer.Fd(), pidfd)
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return pidFromInfo(string(text))
}

// fork starts a command with the container's environment and directory. It
// must run on the locked thread. The pidfd is -1 where the kernel has none.
func (s *shim) fork(argv []string, files []uintptr) (pid, pidfd int, failure *startFailure) {
	dir := s.req.dir
	if dir != "" {
		if failure := checkDir(dir); failure != nil {
			return 0, -1, failure
		}
	} else {
		dir, _ = os.Getwd()
	}
	path, failure := lookProgram(argv[0], s.req.env, dir)
	if failure != nil {
		return 0, -1, failure
	}
	pidfd = -1
	sys := &syscall.SysProcAttr{Setsid: true, PidFD: &pidfd}
	if !s.req.isolation.pid {
		sys.Pdeathsig = syscall.SIGKILL // should the shim be killed alone
	}
	pid, err := syscall.ForkExec(path, argv, &syscall.ProcAttr{Dir: dir, Env: s.req.env, Files: files, Sys: sys})
	if err != nil {
		return 0, -1, execFailure(argv[0], path, err)
	}
	return pid, pidfd, nil
}

// receive hands frames to the loop until Daemun is gone.
func (s *shim) receive() {
	defer close(s.frames)
	for {
		k, body, err := readFrame(s.control)
		if err != nil {
			return
		}
		s.frames <- frame{k, body}
	}
}

// loop serves until the program has ended or Daemun is gone.
func (s *shim) loop() {
	s.reap() // what ended before the loop
	for !s.ended {
		select {
		case f, ok := <-s.frames:
			if !ok {
				s.endTree()
				return
			}
			s.handle(f)
		case <-s.children:
			s.reap()
		case x := <-s.finished:
			s.execCollected(x)
		}
	}
	_ = s.tell(kindEnded, number(uint64(s.status))) // Daemun gone: nobody to tell
	s.endTree()
}

func (s *shim) handle(f frame) {
	switch f.kind {
	case kindSignal:
		if n, err := numberFrom(f.body); err == nil {
			// Not reaped yet, so the PID is still the program's.
			_ = syscall.Kill(s.program, syscall.Signal(n))
		}
	case kindKill:
		s.endTree()
	case kindExec:
		if x, err := execRequestFrom(f.body); err == nil {
			s.exec(x)
		}
	case kindCancel:
		if id, err := numberFrom(f.body); err == nil {
			s.cancel(id)
		}
	}
}

// reap collects ended children, the program's status among them, and reports
// whether children are left.
func (s *shim) reap() bool {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return false // ECHILD
		case pid == 0:
			return true
		case pid == s.program:
			s.ended, s.status = true, status
		default:
			s.execEnded(pid, status)
		}
	}
}

const (
	// treeTimeout bounds the wait for killed processes, which may hang in the
	// kernel.
	treeTimeout = 5 * time.Second
	// treePeriod is how often processes that were forked during a round of
	// killing are looked for.
	treePeriod = 10 * time.Millisecond
)

// endTree kills everything the shim started and waits for it.
func (s *shim) endTree() {
	limit := time.NewTimer(treeTimeout)
	defer limit.Stop()
	again := time.NewTicker(treePeriod)
	defer again.Stop()
	for s.reap() {
		if s.req.isolation.pid {
			_ = syscall.Kill(-1, syscall.SIGKILL) // all of the namespace but the shim
		} else {
			killDescendants(os.Getpid())
		}
		if !s.reap() {
			return
		}
		select {
		case <-s.children:
		case <-again.C:
		case <-limit.C:
			return
		}
	}
}

func (s *shim) tell(k kind, body []byte) error { return writeFrame(s.control, k, body) }

// pidFromInfo finds the line "Pid:\tN" of a pidfd's /proc/PID/fdinfo entry.
func pidFromInfo(text string) (int, error) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "Pid:"); ok {
			return strconv.Atoi(strings.TrimSpace(rest))
		}
	}
	return 0, fmt.Errorf("the kernel does not tell the PID of a pidfd")
}

// absolute makes path absolute below dir.
func absolute(path, dir string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
