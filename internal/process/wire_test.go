package process

import (
	"bytes"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWireRoundTrip(t *testing.T) {
	t.Parallel()
	start := startRequest{
		isolation: isolation{user: true, pid: true}, probe: true, argv: []string{"a", "", "\xff"}, env: []string{"A=b"}, dir: "/",
		mounts: []Mount{{"/a", "/b", true}, {"", "/c", false}}, optional: []Mount{{"/x", "/y", false}}, hostname: "h",
	}
	got, err := startRequestFrom(start.encode())
	opt := cmp.AllowUnexported(startRequest{}, isolation{}, execRequest{}, execReply{}, startFailure{}, startedReply{})
	if diff := cmp.Diff(start, got, opt); diff != "" || err != nil {
		t.Errorf("start: %v\n%s", err, diff)
	}
	exec := execRequest{id: 1 << 40, argv: []string{"x"}, limit: 3}
	gotExec, err := execRequestFrom(exec.encode())
	if diff := cmp.Diff(exec, gotExec, opt); diff != "" || err != nil {
		t.Errorf("exec: %v\n%s", err, diff)
	}
	reply := execReply{id: 3, status: 9 << 8, output: []byte("o\x00"), text: "t"}
	gotReply, err := execReplyFrom(reply.encode())
	if diff := cmp.Diff(reply, gotReply, opt); diff != "" || err != nil {
		t.Errorf("reply: %v\n%s", err, diff)
	}
	failure := startFailure{127, "no"}
	gotFailure, err := startFailureFrom(failure.encode())
	if diff := cmp.Diff(failure, gotFailure, opt); diff != "" || err != nil {
		t.Errorf("failure: %v\n%s", err, diff)
	}
	started := startedReply{4711, []string{"no"}}
	gotStarted, err := startedReplyFrom(started.encode())
	if diff := cmp.Diff(started, gotStarted, opt); diff != "" || err != nil {
		t.Errorf("started: %v\n%s", err, diff)
	}
	var buf bytes.Buffer
	if err := writeFrame(&buf, kindSignal, number(15)); err != nil {
		t.Fatal(err)
	}
	k, body, err := readFrame(&buf)
	if n, _ := numberFrom(body); k != kindSignal || n != 15 || err != nil {
		t.Errorf("frame: %d %d %v", k, n, err)
	}
}

// Every cut of a body is an error, never a panic or a value.
func TestWireShort(t *testing.T) {
	t.Parallel()
	whole := startRequest{argv: []string{"a"}, env: []string{"b=c"}, mounts: []Mount{{"/a", "/b", true}}}.encode()
	for n := range whole {
		if _, err := startRequestFrom(whole[:n]); err == nil {
			t.Errorf("no error for %d of %d octets", n, len(whole))
		}
	}
	if _, _, err := readFrame(bytes.NewReader([]byte{0xff, 0, 0, 0, 1})); err == nil {
		t.Error("no error for a huge frame")
	}
}

func FuzzWire(f *testing.F) {
	f.Add(startRequest{argv: []string{"a"}, mounts: []Mount{{"/a", "/b", true}}}.encode())
	f.Add(execReply{output: []byte("x")}.encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := startRequestFrom(data); err == nil {
			again, err := startRequestFrom(s.encode())
			if diff := cmp.Diff(s, again, cmp.AllowUnexported(startRequest{}, isolation{})); diff != "" || err != nil {
				t.Errorf("%v\n%s", err, diff)
			}
		}
		_, _ = execRequestFrom(data)
		_, _ = execReplyFrom(data)
		_, _ = startFailureFrom(data)
		_, _ = startedReplyFrom(data)
		_, _, _ = readFrame(bytes.NewReader(data))
	})
}

func TestProcStat(t *testing.T) {
	t.Parallel()
	cases := []struct {
		text string
		want procStat
		ok   bool
	}{
		{"12 (sh) S 3 12 7 0 -1", procStat{12, 3, 7}, true},
		{"12 (a) b ) (c) R 3 12 7 0", procStat{12, 3, 7}, true},
		{"12 (sh) S 3", procStat{}, false},
		{"", procStat{}, false},
		{")( ", procStat{}, false},
	}
	for _, c := range cases {
		got, ok := procStatFrom([]byte(c.text))
		if ok != c.ok || ok && got != c.want {
			t.Errorf("%q: got %+v %v", c.text, got, ok)
		}
	}
}

func FuzzProcStat(f *testing.F) {
	f.Add([]byte("12 (a) b) R 3 12 7 0"))
	f.Fuzz(func(_ *testing.T, text []byte) { procStatFrom(text) })
}

func TestDescendants(t *testing.T) {
	t.Parallel()
	all := []procStat{{2, 1, 0}, {3, 2, 0}, {4, 3, 0}, {5, 1, 0}, {6, 2, 0}, {8, 9, 0}, {9, 8, 0}}
	if diff := cmp.Diff([]int{3, 6, 4}, descendants(all, 2)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{9}, descendants(all, 8)); diff != "" { // a torn reading of /proc may show a ring
		t.Error(diff)
	}
}

func TestNamespaceHint(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		files map[string]string
		want  string
	}{
		{nil, ""},
		{map[string]string{"/proc/sys/user/max_user_namespaces": "100\n"}, ""},
		{map[string]string{"/proc/sys/kernel/unprivileged_userns_clone": "0\n"}, " (kernel.unprivileged_userns_clone is 0)"},
		{map[string]string{"/proc/sys/user/max_user_namespaces": "0\n"}, " (user.max_user_namespaces is 0)"},
		{map[string]string{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"}, " (kernel.apparmor_restrict_unprivileged_userns is 1)"},
	} {
		got := namespaceHint(func(path string) ([]byte, error) {
			if text, ok := c.files[path]; ok {
				return []byte(text), nil
			}
			return nil, os.ErrNotExist
		})
		if got != c.want {
			t.Errorf("%v: got %q, want %q", c.files, got, c.want)
		}
	}
}

func TestPIDFromInfo(t *testing.T) {
	t.Parallel()
	if pid, err := pidFromInfo("pos:\t0\nflags:\t02000002\nPid:\t4711\nNSpid:\t4711\t2\n"); pid != 4711 || err != nil {
		t.Errorf("got %d %v", pid, err)
	}
	if _, err := pidFromInfo("pos:\t0\n"); err == nil {
		t.Error("no error without the line")
	}
}
