package process

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// collected runs data through an output with a log file, a read at a time as
// the reader gives them.
func collected(t *testing.T, r io.Reader) (log string, lines []string) {
	t.Helper()
	var c capture
	path := filepath.Join(t.TempDir(), "log")
	o, err := newOutput(Spec{Log: path, Output: c.add})
	if err != nil {
		t.Fatal(err)
	}
	o.now = func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 6000, time.FixedZone("x", 3600)) }
	o.copyLines(r, "stdout")
	if err := o.close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), c.get()
}

func TestLines(t *testing.T) {
	t.Parallel()
	const stamp = "2026-01-02T02:04:05.000006Z stdout "
	long := strings.Repeat("x", maxLine)
	cases := []struct {
		name, data string
		want       []string
	}{
		{"nothing", "", nil},
		{"lines", "a\n\nb\n", []string{"F a", "F ", "F b"}},
		{"no newline at the end", "a\nb", []string{"F a", "F b"}},
		{"carriage return stays", "a\r\n", []string{"F a\r"}},
		{"exactly the longest", long + "\n", []string{"F " + long}},
		{"exactly the longest, no newline", long, []string{"F " + long}},
		{"one octet more", long + "y\nz\n", []string{"P " + long, "F y", "F z"}},
		{"several pieces", long + long + "y", []string{"P " + long, "P " + long, "F y"}},
	}
	for _, c := range cases {
		want := ""
		for _, l := range c.want {
			want += stamp + l + "\n"
		}
		for name, r := range map[string]io.Reader{
			"whole": strings.NewReader(c.data), "halves": iotest.HalfReader(strings.NewReader(c.data)),
			"with the end": iotest.DataErrReader(strings.NewReader(c.data)), "octets": iotest.OneByteReader(strings.NewReader(c.data)),
		} {
			log, lines := collected(t, r)
			if diff := cmp.Diff(want, log); diff != "" || len(lines) != len(c.want) {
				t.Errorf("%s, %s: %d lines (-want +got):\n%s", c.name, name, len(lines), diff)
			}
		}
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := newOutput(Spec{Log: path})
	if err != nil {
		t.Fatal(err)
	}
	o.limit = 120
	for _, l := range []string{"one", "two", "three", "four", "five"} { // about 40 octets each
		o.lines("stderr", []byte(l+"\n"))
	}
	if err := o.close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range []string{path + ".1", path} {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > 120 {
			t.Errorf("%s has %d octets", p, len(text))
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			got = append(got, f[len(f)-1])
		}
	}
	all := []string{"before", "one", "two", "three", "four", "five"}
	if diff := cmp.Diff(all[len(all)-len(got):], got); diff != "" || len(got) < 3 {
		t.Errorf("kept %q, want the newest (-want +got):\n%s", got, diff)
	}
}

// A full disk loses lines, says so in the end, and never stops the program.
func TestLogFailureIsReported(t *testing.T) {
	inModes(t, func(t *testing.T, rt *Runtime) {
		var c capture
		p, err := rt.Start(Spec{ID: "t", Argv: []string{"sh", "-c", "echo a; echo b"}, Env: []string{testPath}, Log: "/dev/full", Output: c.add})
		if err != nil {
			t.Fatal(err)
		}
		exit := p.Exit()
		if exit.LogErr == nil || exit.Err != nil || exit.Code != 0 || len(c.get()) != 2 {
			t.Errorf("exit %+v, lines %q", exit, c.get())
		}
	})
}

func TestLogCannotBeOpened(t *testing.T) {
	t.Parallel()
	rt := newTestRuntime(t, Config{})
	_, err := rt.Start(Spec{ID: "t", Argv: []string{"true"}, Log: "/proc/no/such"})
	if err == nil || !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "container t: log file: ") {
		t.Errorf("got %v", err)
	}
}

func BenchmarkLines(b *testing.B) {
	o, err := newOutput(Spec{Log: filepath.Join(b.TempDir(), "log")})
	if err != nil {
		b.Fatal(err)
	}
	data := bytes.Repeat([]byte(strings.Repeat("y", 99)+"\n"), 160)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		o.lines("stdout", data)
	}
	if err := o.close(); err != nil {
		b.Fatal(err)
	}
}
