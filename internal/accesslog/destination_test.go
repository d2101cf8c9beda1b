package accesslog

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestFileFollowsItsName: after a rotation, lines go to the file that has the
// name by then; whoever rotates need not say so, but may.
func TestFileFollowsItsName(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	name := filepath.Join(folder, "access.log")
	f := NewFile(folder, "access.log")
	now := time.Unix(1000, 0)
	f.now = func() time.Time { return now }
	d := NewDestination(f)
	write := func(text string) {
		t.Helper()
		if _, err := d.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	holds := func(file, want string) {
		t.Helper()
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", file, got, err, want)
		}
	}
	write("1\n")
	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	write("2\n") // not looked at yet
	now = now.Add(again)
	write("3\n")
	holds(name+".1", "1\n2\n")
	holds(name, "3\n")
	if err := os.Rename(name, name+".2"); err != nil {
		t.Fatal(err)
	}
	d.Reopen()
	write("4\n")
	holds(name, "4\n")
	var other bytes.Buffer
	d.Use(&other)
	write("5\n")
	holds(name, "4\n")
	if other.String() != "5\n" || f.file != nil {
		t.Errorf("%q, file open: %v", &other, f.file != nil)
	}
}

// TestFileStaysInItsFolder: neither dots nor links lead out of it.
func TestFileStaysInItsFolder(t *testing.T) {
	t.Parallel()
	folder, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(folder, "link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../x.log", "link/x.log", "/x.log", "none/x.log"} {
		if _, err := NewFile(folder, name).Write([]byte("x\n")); err == nil {
			t.Errorf("%s is written to", name)
		}
	}
}

// TestSyslog pins the datagrams, one per line.
func TestSyslog(t *testing.T) {
	t.Parallel()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	s := NewSyslog(server.LocalAddr().String())
	defer s.Close()
	s.host = "pod-1"
	s.now = func() time.Time { return time.Date(2026, 3, 9, 8, 5, 0, 0, time.UTC) }
	if _, err := s.Write([]byte("first line\n\nsecond\n")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1000)
	for _, want := range []string{"<190>Mar  9 08:05:00 pod-1 nginx: first line", "<190>Mar  9 08:05:00 pod-1 nginx: second"} {
		if err := server.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, _, err := server.ReadFrom(buf)
		if err != nil || string(buf[:n]) != want {
			t.Errorf("got %q, %v; want %q", buf[:n], err, want)
		}
	}
}

// TestSyslogThatCannotBeReachedIsLeftAlone for a while: names are not looked up
// for every line.
func TestSyslogThatCannotBeReachedIsLeftAlone(t *testing.T) {
	t.Parallel()
	now, dials := time.Unix(1000, 0), 0
	s := &Syslog{now: func() time.Time { return now }, dial: func() (net.Conn, error) { dials++; return nil, net.ErrClosed }}
	for range 3 {
		if _, err := s.Write([]byte("x\n")); err == nil {
			t.Error("written")
		}
	}
	now = now.Add(again)
	_, _ = s.Write([]byte("x\n"))
	if dials != 2 {
		t.Errorf("%d dials", dials)
	}
}
