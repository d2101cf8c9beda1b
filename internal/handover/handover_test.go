package handover

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func listenTCP(t *testing.T, address string) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

// log is what a Door says.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// house is a running Daemun with one listener.
type house struct {
	*Door
	tcp *net.TCPListener
	log *log
}

// open serves a Door at path until the test ends.
func open(t *testing.T, path string, change ...func(*DoorConfig)) *house {
	t.Helper()
	h := &house{tcp: listenTCP(t, "127.0.0.1:0"), log: &log{}}
	var err error
	c := DoorConfig{
		Path: path, Sockets: []Socket{{Name: "http", Address: h.tcp.Addr(), Conn: h.tcp}}, Logger: slog.New(slog.NewTextHandler(h.log, nil)),
	}
	for _, f := range change {
		f(&c)
	}
	h.Door, err = NewDoor(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Open(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { h.Serve(); close(done) }()
	t.Cleanup(func() {
		h.Close()
		<-done
		if t.Failed() {
			t.Log(h.log)
		}
	})
	return h
}

func socketPath(t *testing.T) string { return filepath.Join(t.TempDir(), "door") }

// ask is Ask that must find somebody.
func ask(t *testing.T, path string) *Inheritance {
	t.Helper()
	in, err := Ask(t.Context(), path)
	if err != nil || in == nil {
		t.Fatalf("%v, %v", in, err)
	}
	t.Cleanup(in.Close)
	return in
}

// knock is a connection that speaks for itself.
func knock(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	c, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// stays checks that the running one goes on, and hands over to the next.
func (h *house) stays(t *testing.T) {
	t.Helper()
	if isClosed(h.Left()) {
		t.Fatal("the running one has left")
	}
	var in *Inheritance
	eventually(t, "another hand-over", func() bool { // the one before may still be going
		var err error
		in, err = Ask(t.Context(), h.Path)
		return err == nil && in != nil
	})
	if err := in.Complete(); err != nil {
		t.Error(err)
	}
	<-h.Left()
}

// TestHandOver: one queue, and no connection in it is lost when the first
// process closes its end.
func TestHandOver(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	h := open(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	in := ask(t, path)
	if in.PID != os.Getpid() {
		t.Errorf("process %d", in.PID)
	}
	if in.Take("https", h.tcp.Addr().String()) != nil || in.Take("http", "127.0.0.1:1") != nil {
		t.Error("took what was not offered")
	}
	l := in.Take("http", h.tcp.Addr().String())
	if l == nil {
		t.Fatal("nothing to take")
	}
	defer l.Close()
	if in.Take("http", h.tcp.Addr().String()) != nil {
		t.Error("taken twice")
	}
	client, err := net.Dial("tcp", h.tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if isClosed(h.Left()) {
		t.Error("left before the other one was ready")
	}
	if err := in.Complete(); err != nil {
		t.Fatal(err)
	}
	<-h.Left()
	if !h.Close() {
		t.Error("Close does not know")
	}
	h.tcp.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the name is for the next one to replace: %v", err)
	}
}

// TestPortsAreHandedOverAsTheyAre, whatever they are, as many as there is room
// for; what is not taken is closed.
func TestPortsAreHandedOverAsTheyAre(t *testing.T) {
	t.Parallel()
	datagrams, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer datagrams.Close()
	stream := listenTCP(t, "127.0.0.1:0")
	path := socketPath(t)
	var room atomic.Int64 // of the Door's goroutine
	ports := func(most int) (list []Port) {
		room.Store(int64(most))
		for name, c := range map[string]syscall.Conn{"UDP": datagrams, "TCP": stream} {
			fd, err := duplicate(c)
			if err != nil {
				t.Error(err)
			}
			list = append(list, Port{name, fd})
		}
		return list
	}
	open(t, path, func(c *DoorConfig) { c.Ports = ports })
	in := ask(t, path)
	if n := room.Load(); n != maxListeners-1 {
		t.Errorf("room for %d", n)
	}
	got := map[string]int{}
	for _, p := range in.Ports() {
		kind, err := unix.GetsockoptInt(p.FD, unix.SOL_SOCKET, unix.SO_TYPE)
		if err != nil {
			t.Error(err)
		}
		got[p.Name] = kind
		unix.Close(p.FD)
	}
	if len(got) != 2 || got["UDP"] != unix.SOCK_DGRAM || got["TCP"] != unix.SOCK_STREAM || len(in.Ports()) > 0 {
		t.Errorf("%v", got)
	}
	in.Close()
	var again *Inheritance
	eventually(t, "another one may ask", func() bool { again, err = Ask(t.Context(), path); return err == nil })
	again.Close()
	stream.Close()
	eventually(t, "the end of the port", func() bool {
		c, err := net.Dial("tcp", stream.Addr().String())
		if err == nil {
			c.Close()
		}
		return err != nil
	})
}

// TestNobodyAnswers: no file, and one that a dead process left.
func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	if in, err := Ask(t.Context(), path); in != nil || err != nil {
		t.Errorf("no file: %v, %v", in, err)
	}
	dead, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	in, err := Ask(t.Context(), path)
	if in != nil || err != nil {
		t.Errorf("stale file: %v, %v", in, err)
	}
	if in.Take("http", ":0") != nil || in.Complete() != nil {
		t.Error("an empty inheritance is not empty")
	}
	in.Close()
	open(t, path).stays(t)
}

// TestCloseRemovesItsOwnSocketOnly: not that of another one.
func TestCloseRemovesItsOwnSocketOnly(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	first := open(t, path)
	second := open(t, path)
	first.Close()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the other one's: %v", err)
	}
	second.Close()
	if left, _ := filepath.Glob(path + "*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestPathIsRefused(t *testing.T) {
	t.Parallel()
	file := socketPath(t)
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	stream := socketPath(t)
	l, err := net.Listen("unix", stream)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for path, want := range map[string]string{file: "no socket", "/" + strings.Repeat("x", 101): "at most", stream: "another program's"} {
		if _, err := Ask(t.Context(), path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := NewDoor(DoorConfig{Path: file}); err == nil {
		t.Error("a file would be replaced")
	}
	if _, err := NewDoor(DoorConfig{Path: filepath.Join(file, "door")}); err == nil {
		t.Error("a folder that does not exist")
	}
}

// TestGarbage: whatever comes instead of a message, the running one goes on and
// says why.
func TestGarbage(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ first, second, want string }{
		"nonsense":         {"GET / HTTP/1.1", "", "not a message"},
		"too long":         {strings.Repeat("x", maxMessage+1), "", "more than"},
		"other version":    {`{"version":2,"kind":"take"}`, "", "version 2 of the hand-over is spoken, this is version 1"},
		"wrong order":      {`{"version":1,"kind":"ready"}`, "", `message "ready", want "take"`},
		"nonsense instead": {`{"version":1,"kind":"take","new":true}`, "\x00", "not a message"},
		"taken twice":      {`{"version":1,"kind":"take"}`, `{"version":1,"kind":"take"}`, `message "take", want "ready"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, socketPath(t))
			c := knock(t, h.Path)
			if _, err := io.WriteString(c, tc.first); err != nil {
				t.Fatal(err)
			}
			if tc.second != "" {
				if _, fds, err := receiveFDs(c, kindListeners); err != nil {
					t.Fatal(err)
				} else {
					closeAll(fds)
				}
				if _, err := io.WriteString(c, tc.second); err != nil {
					t.Fatal(err)
				}
			}
			var refused *RefusedError
			if err := receive(c, kindLeaving); !errors.As(err, &refused) || !strings.Contains(refused.Reason, tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
			h.stays(t)
		})
	}
}

// TestNewOneDies at each step: the running one goes on.
func TestNewOneDies(t *testing.T) {
	t.Parallel()
	for name, die := range map[string]func(*testing.T, string){
		"at once":             func(t *testing.T, path string) { knock(t, path).Close() },
		"without reading":     func(t *testing.T, path string) { c := knock(t, path); _ = send(c, message{Kind: kindTake}); c.Close() },
		"before it was ready": func(t *testing.T, path string) { ask(t, path).Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, socketPath(t))
			die(t, h.Path)
			h.stays(t)
		})
	}
}

// TestOldOneEnds while it is waited for: the new one has everything it needs.
func TestOldOneEnds(t *testing.T) {
	t.Parallel()
	h := open(t, socketPath(t))
	in := ask(t, h.Path)
	l := in.Take("http", h.tcp.Addr().String())
	if l == nil {
		t.Fatal("nothing to take")
	}
	defer l.Close()
	if h.Close() {
		t.Error("nobody has taken over")
	}
	h.tcp.Close()
	if err := in.Complete(); err != nil {
		t.Error(err)
	}
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// TestOneAtATime: a second process is told so, and who is slow does not keep
// others out.
func TestOneAtATime(t *testing.T) {
	t.Parallel()
	h := open(t, socketPath(t))
	knock(t, h.Path) // says nothing
	in := ask(t, h.Path)
	if _, err := Ask(t.Context(), h.Path); err == nil || !strings.Contains(err.Error(), "another process is taking over") {
		t.Errorf("second: %v", err)
	}
	if err := in.Complete(); err != nil {
		t.Error(err)
	}
	<-h.Left()
	if _, err := Ask(t.Context(), h.Path); err == nil {
		t.Error("handed over twice")
	}
}

// TestVisitorsAreBounded: more than a few are turned away.
func TestVisitorsAreBounded(t *testing.T) {
	t.Parallel()
	h := open(t, socketPath(t))
	var silent []*net.UnixConn
	for range maxVisitors {
		silent = append(silent, knock(t, h.Path))
	}
	if _, err := Ask(t.Context(), h.Path); err == nil || !strings.Contains(err.Error(), "answers nothing") {
		t.Errorf("one too many: %v", err)
	}
	silent[0].Close()
	h.stays(t)
}

// oldOne answers one visitor by hand.
func oldOne(t *testing.T, answer func(c *net.UnixConn)) string {
	t.Helper()
	path := socketPath(t)
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.AcceptUnix()
		if err != nil {
			return
		}
		defer c.Close()
		if err := receive(c, kindTake); err == nil {
			answer(c)
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return path
}

// TestStrangeOldOne: the new one does not start with half of the sockets.
func TestStrangeOldOne(t *testing.T) {
	t.Parallel()
	for want, answer := range map[string]func(c *net.UnixConn){
		"not a message":   func(c *net.UnixConn) { _, _ = c.Write([]byte("hello")) },
		"answers nothing": func(*net.UnixConn) {},
		"0 descriptors for 1 listeners": func(c *net.UnixConn) {
			_ = send(c, message{Kind: kindListeners, Listeners: []listener{{"http", "127.0.0.1:80"}}})
		},
		"version 9": func(c *net.UnixConn) { _, _ = c.Write([]byte(`{"version":9,"kind":"listeners"}`)) },
		"busy":      func(c *net.UnixConn) { _, _ = c.Write([]byte(`{"version":9,"kind":"refused","reason":"busy"}`)) },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			if _, err := Ask(t.Context(), oldOne(t, answer)); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestWrongDescriptors are left alone: the ports are opened anew.
func TestWrongDescriptors(t *testing.T) {
	t.Parallel()
	path := oldOne(t, func(c *net.UnixConn) {
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Error(err)
			return
		}
		defer null.Close()
		_ = send(c, message{Kind: kindListeners, Listeners: []listener{{"http", "127.0.0.1:80"}}}, int(null.Fd()))
	})
	if in := ask(t, path); in.Take("http", "127.0.0.1:80") != nil {
		t.Error("a file was taken for a listener")
	}
}

// TestOldOneRefusesAtTheEnd: then the new one must not stay.
func TestOldOneRefusesAtTheEnd(t *testing.T) {
	t.Parallel()
	in := ask(t, oldOne(t, func(c *net.UnixConn) {
		_ = send(c, message{Kind: kindListeners})
		if err := receive(c, kindReady); err == nil {
			_ = send(c, message{Kind: kindRefused, Reason: "no"})
		}
	}))
	var refused *RefusedError
	if err := in.Complete(); !errors.As(err, &refused) || refused.Reason != "no" {
		t.Errorf("%v", err)
	}
}

// TestStrangersAreRefused: sockets go to root and to the same user.
func TestStrangersAreRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		peer, self int
		want       bool
	}{{0, 0, true}, {0, 1000, true}, {1000, 1000, true}, {1000, 0, false}, {1001, 1000, false}} {
		if got := mayHandOver(tc.peer, tc.self); got != tc.want {
			t.Errorf("user %d of user %d: %t", tc.peer, tc.self, got)
		}
	}
}

// TestBound: which addresses mean the same socket.
func TestBound(t *testing.T) {
	t.Parallel()
	one, all := listenTCP(t, "127.0.0.1:0"), listenTCP(t, ":0")
	_, port, _ := net.SplitHostPort(one.Addr().String())
	_, portAll, _ := net.SplitHostPort(all.Addr().String())
	for _, tc := range []struct {
		l       *net.TCPListener
		address string
		want    bool
	}{
		{one, "127.0.0.1:" + port, true},
		{one, "127.0.0.1:0", true},
		{one, "127.0.0.2:" + port, false},
		{one, "127.0.0.1:1", false},
		{one, ":" + port, false},
		{one, "nonsense", false},
		{one, "127.0.0.1:http", false},
		{all, "0.0.0.0:" + portAll, true},
		{all, "[::]:" + portAll, true},
		{all, ":" + portAll, true},
		{all, ":0", true},
		{all, "127.0.0.1:" + portAll, false},
	} {
		if got := bound(tc.l, tc.address); got != tc.want {
			t.Errorf("%s for %s: %t", tc.l.Addr(), tc.address, got)
		}
	}
}

// TestDescriptorsAreNotInherited by programs that are started, and stay
// non-blocking for both ends.
func TestDescriptorsAreNotInherited(t *testing.T) {
	t.Parallel()
	h := open(t, socketPath(t))
	l := ask(t, h.Path).Take("http", h.tcp.Addr().String())
	if l == nil {
		t.Fatal("nothing to take")
	}
	defer l.Close()
	for _, s := range []*net.TCPListener{l, h.tcp} {
		raw, err := s.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.Control(func(fd uintptr) {
			if flags, err := unix.FcntlInt(fd, unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("flags %x, %v", flags, err)
			}
			if flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
				t.Errorf("mode %x, %v", flags, err)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version":1,"kind":"take"}`))
	f.Add([]byte(`{"version":1,"kind":"refused","reason":"x"}`))
	f.Add([]byte(`{"version":1,"kind":"listeners","listeners":[{"name":"http","address":":80"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decode(b, kindTake)
		if err == nil && (m.Version != version || m.Kind != kindTake) {
			t.Errorf("accepted %q", b)
		}
	})
}
