package process

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestExitCodes(t *testing.T) {
	cases := []struct {
		script string
		code   int
		signal os.Signal
	}{
		{"exit 0", 0, nil},
		{"exit 3", 3, nil},
		{"kill -TERM $$", 143, syscall.SIGTERM},
		{"kill -KILL $$", 137, syscall.SIGKILL},
	}
	inModes(t, func(t *testing.T, rt *Runtime) {
		for _, c := range cases {
			exit, _ := run(t, rt, c.script)
			if exit.Code != c.code || exit.Signal != c.signal || exit.Err != nil || exit.LogErr != nil {
				t.Errorf("%s: got %+v, want code %d signal %v", c.script, exit, c.code, c.signal)
			}
			if exit.Finished.Before(exit.Started) || exit.Started.IsZero() {
				t.Errorf("%s: started %v, finished %v", c.script, exit.Started, exit.Finished)
			}
		}
	})
}

func TestEnvironmentIsExact(t *testing.T) {
	inModes(t, func(t *testing.T, rt *Runtime) {
		for _, env := range [][]string{
			nil,
			{"B=2", "A=1", "A=again", "EMPTY=", "ODD=a=b\nc", "RAW=\xff\xfe", "PATH=/usr/bin:/bin"},
		} {
			path := filepath.Join(t.TempDir(), "env")
			p, err := rt.Start(Spec{ID: "t/p/c", Argv: []string{"cat", "/proc/self/environ"}, Env: env, Log: path})
			if err != nil {
				t.Fatal(err)
			}
			p.Exit()
			log, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var text []string
			for line := range strings.Lines(string(log)) {
				text = append(text, strings.TrimSuffix(strings.SplitN(line, " ", 4)[3], "\n"))
			}
			want := ""
			for _, v := range env {
				want += v + "\x00"
			}
			if diff := cmp.Diff(want, strings.Join(text, "\n")); diff != "" {
				t.Errorf("environment (-want +got):\n%s", diff)
			}
		}
	})
}

func TestProgramInheritsNothing(t *testing.T) {
	inModes(t, func(t *testing.T, rt *Runtime) {
		_, lines := run(t, rt, `ls /proc/$$/fd; grep -E '^(SigIgn|SigBlk|NoNewPrivs)' /proc/self/status; ulimit -Sn; readlink /proc/self/fd/0; ps -o sid= -p $$ | tr -d ' ' | sed "s/^$$\$/own session/"`)
		var limit syscall.Rlimit
		out, err := exec.Command("sh", "-c", "ulimit -Sn").Output()
		if err != nil || syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
			t.Fatal(err)
		}
		want := []string{
			"stdout: 0", "stdout: 1", "stdout: 2",
			"stdout: SigBlk:\t0000000000000000", "stdout: SigIgn:\t" + ignored(t), "stdout: NoNewPrivs:\t0",
			"stdout: " + strings.TrimSpace(string(out)), "stdout: /dev/null", "stdout: own session",
		}
		if diff := cmp.Diff(want, lines); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// ignored is SigIgn as the program should have it: nothing, but for signals 32
// and 33, which belong to the C library; what started the test may ignore
// them, and neither Go nor a shell can change that.
func ignored(t *testing.T) string {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if mask, ok := strings.CutPrefix(line, "SigIgn:\t"); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf("%016x", n&(1<<31|1<<32))
		}
	}
	t.Fatal("no SigIgn in /proc/self/status")
	return ""
}

func TestWorkingDir(t *testing.T) {
	inModes(t, func(t *testing.T, rt *Runtime) {
		dir, err := filepath.EvalSymlinks(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		own, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "here"), []byte("#!/bin/sh\npwd\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			dir  string
			argv []string
			want string
		}{
			{dir, []string{"/bin/pwd"}, dir},
			{"", []string{"/bin/pwd"}, own},
			{dir, []string{"./here"}, dir},
		} {
			var out capture
			p, err := rt.Start(Spec{ID: "t/p/c", Argv: c.argv, Env: []string{testPath}, WorkingDir: c.dir, Output: out.add})
			if err != nil {
				t.Fatal(err)
			}
			p.Exit()
			if diff := cmp.Diff([]string{"stdout: " + c.want}, out.get()); diff != "" {
				t.Errorf("%q %q (-want +got):\n%s", c.dir, c.argv, diff)
			}
		}
	})
}

func TestPathOfSpecIsSearched(t *testing.T) {
	inModes(t, func(t *testing.T, rt *Runtime) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "tool"), []byte("#!/bin/sh\necho found\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		var out capture
		p, err := rt.Start(Spec{ID: "t/p/c", Argv: []string{"tool"}, Env: []string{"PATH=/nowhere:" + dir}, Output: out.add})
		if err != nil {
			t.Fatal(err)
		}
		p.Exit()
		if diff := cmp.Diff([]string{"stdout: found"}, out.get()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestStartErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := write("plain", "#!/bin/sh\n", 0o644)
	garbage := write("garbage", "\x01\x02\x03\x04", 0o755)
	orphan := write("orphan", "#!/no/such/interpreter -x\n", 0o755)
	cases := []struct {
		name string
		spec Spec
		code int
		want string
	}{
		{"no argv", Spec{}, 128, "no command: argv is empty"},
		{"missing", Spec{Argv: []string{"/bin/foo"}}, 127, `exec "/bin/foo": no such file`},
		{"not in PATH", Spec{Argv: []string{"foo"}, Env: []string{"PATH=/bin"}}, 127, `exec "foo": not found in PATH (/bin)`},
		{"not executable in PATH", Spec{Argv: []string{"plain"}, Env: []string{"PATH=" + dir}}, 126, `exec "plain": found in PATH (` + dir + `), but not executable`},
		{"not executable", Spec{Argv: []string{plain}}, 126, `exec "` + plain + `": permission denied (is it executable?)`},
		{"not a program", Spec{Argv: []string{garbage}}, 126, `exec "` + garbage + `": not a program for this machine, and not a script with a #! line`},
		{"no interpreter", Spec{Argv: []string{orphan}}, 127, `exec "` + orphan + `": no such file: its interpreter "/no/such/interpreter"`},
		{"directory", Spec{Argv: []string{"/etc"}}, 126, `exec "/etc": is a directory`},
		{"below a file", Spec{Argv: []string{"/etc/passwd/x"}}, 127, `exec "/etc/passwd/x": no such file: a part of the path is not a directory`},
		{"relative directory", Spec{Argv: []string{"true"}, WorkingDir: "tmp"}, 128, `working directory "tmp" is not an absolute path`},
		{"directory is a file", Spec{Argv: []string{"true"}, WorkingDir: "/etc/passwd"}, 128, `working directory "/etc/passwd": not a directory`},
		{"NUL", Spec{Argv: []string{"true", "a\x00b"}}, 128, `"a\x00b" holds a NUL octet, which no argument, variable or path can carry`},
		{"relative mount", Spec{Argv: []string{"true"}, Mounts: []Mount{{Source: "/etc", Target: "data"}}}, 128, `mount target "data" is not an absolute path below /`},
		{"mount at root", Spec{Argv: []string{"true"}, Mounts: []Mount{{Source: "/etc", Target: "/"}}}, 128, `mount target "/" is not an absolute path below /`},
		{"too long", Spec{Argv: []string{"/bin/true", strings.Repeat("x", 1<<20)}}, 126, `exec "/bin/true": arguments and environment are too long`},
	}
	inModes(t, func(t *testing.T, rt *Runtime) {
		for _, c := range cases {
			c.spec.ID = "ns/pod/app"
			p, err := rt.Start(c.spec)
			var failed *StartError
			if !errors.As(err, &failed) {
				t.Errorf("%s: got %v, %v; want a StartError", c.name, p, err)
				continue
			}
			if diff := cmp.Diff(&StartError{ID: "ns/pod/app", Code: c.code, Text: c.want}, failed); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.name, diff)
			}
		}
	})
}

func TestFallbackNeedsWorkingDir(t *testing.T) {
	t.Parallel()
	rt := newTestRuntime(t, Config{NoNamespaces: true})
	_, err := rt.Start(Spec{ID: "a", Argv: []string{"true"}, WorkingDir: "/no/such"})
	if want := `container a: working directory "/no/such": no such directory`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if ok, reason := rt.Mounts(); ok || reason != "namespaces are switched off" {
		t.Errorf("Mounts: %v %q", ok, reason)
	}
}

func TestLogFormat(t *testing.T) {
	inModes(t, func(t *testing.T, rt *Runtime) {
		path := filepath.Join(t.TempDir(), "new", "folder", "log")
		p, err := rt.Start(Spec{ID: "t/p/c", Argv: []string{"sh", "-c", "echo one; echo; echo two >&2; printf 'no newline'"}, Env: []string{testPath}, Log: path})
		if err != nil {
			t.Fatal(err)
		}
		if exit := p.Exit(); exit.LogErr != nil {
			t.Fatal(exit.LogErr)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		shape := regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z (stdout|stderr) ([FP]) (.*)$`)
		streams := map[string][]string{}
		for _, m := range shape.FindAllStringSubmatch(string(text), -1) {
			streams[m[2]] = append(streams[m[2]], m[3]+" "+m[4])
		}
		want := map[string][]string{"stdout": {"F one", "F ", "F no newline"}, "stderr": {"F two"}}
		if diff := cmp.Diff(want, streams); diff != "" {
			t.Errorf("(-want +got):\n%s\n%s", diff, text)
		}
	})
}

func TestOutputIsCompleteAfterExit(t *testing.T) {
	inModes(t, func(t *testing.T, rt *Runtime) {
		exit, lines := run(t, rt, "seq 20000; exit 4")
		if exit.Code != 4 || len(lines) != 20000 || lines[19999] != "stdout: 20000" {
			t.Errorf("exit %+v, %d lines", exit, len(lines))
		}
	})
}

func TestSignalGoesToTheProgram(t *testing.T) {
	inModes(t, func(t *testing.T, rt *Runtime) {
		var out capture
		p, err := rt.Start(Spec{ID: "t/p/c", Argv: []string{testBinary(t)}, Env: []string{helperVariable + "=polite"}, Output: out.add})
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "ready", func() bool { return out.has("stdout: ready") })
		if err := p.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if exit := p.Exit(); exit.Code != 7 || exit.Signal != nil || !out.has("stdout: bye") {
			t.Errorf("exit %+v, output %q", exit, out.get())
		}
		if err := p.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("signal after the end: %v", err)
		}
		p.Kill()
	})
}

func testBinary(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPIDIsTheMachines(t *testing.T) {
	inModes(t, func(t *testing.T, rt *Runtime) {
		m := marker(t)
		p, err := rt.Start(Spec{ID: "t/p/c", Argv: []string{"sleep", m}, Env: []string{testPath}})
		if err != nil {
			t.Fatal(err)
		}
		// The kernel reports a program as started a little before its arguments
		// are there.
		eventually(t, "the process with that PID is the program", func() bool {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID()))
			return err == nil && string(text) == "sleep\x00"+m+"\x00"
		})
	})
}

func TestKillEndsTheTree(t *testing.T) {
	inModes(t, func(t *testing.T, rt *Runtime) {
		m := marker(t)
		var out capture
		p, err := rt.Start(Spec{ID: "t/p/c", Argv: []string{"sh", "-c", treeScript(m)}, Env: []string{testPath}, Output: out.add})
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "the tree is up", func() bool { return marked("sleep\x00"+m) == 3 })
		p.Kill()
		p.Kill()
		exit := p.Exit()
		if exit.Code != 137 || exit.Signal != syscall.SIGKILL || exit.Err != nil {
			t.Errorf("exit %+v", exit)
		}
		if n := marked(m); n != 0 {
			t.Errorf("%d processes left after Done", n)
		}
	})
}

func TestDescendantsEndWithTheProgram(t *testing.T) {
	inModes(t, func(t *testing.T, rt *Runtime) {
		m := marker(t)
		exit, _ := run(t, rt, "(setsid sleep "+m+" &); sleep "+m+" & exit 5")
		if n := marked(m); n != 0 || exit.Code != 5 {
			t.Errorf("%d processes left, exit %+v", n, exit)
		}
	})
}

// A killed shim cannot report; what it started must not stay.
func TestShimKilled(t *testing.T) {
	inModes(t, func(t *testing.T, rt *Runtime) {
		m := marker(t)
		p, err := rt.Start(Spec{ID: "t/p/c", Argv: []string{"sh", "-c", "sleep " + m + " & sleep " + m + "; :"}, Env: []string{testPath}})
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "up", func() bool { return marked("sleep\x00"+m) == 2 })
		if err := p.shim.process.Kill(); err != nil {
			t.Fatal(err)
		}
		exit := p.Exit()
		if exit.Err == nil || !strings.Contains(exit.Err.Error(), "the shim ended unexpectedly: signal: killed") {
			t.Errorf("exit %+v", exit)
		}
		eventually(t, "all gone", func() bool { return marked(m) == 0 })
	})
}

// A shim that is stopped does not answer; Kill must end it all the same.
func TestKillOfStoppedShim(t *testing.T) {
	inModes(t, func(t *testing.T, rt *Runtime) {
		rt.forceAfter = 50 * time.Millisecond
		m := marker(t)
		p, err := rt.Start(Spec{ID: "t/p/c", Argv: []string{"sleep", m}, Env: []string{testPath}})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.shim.process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		p.Kill()
		if exit := p.Exit(); exit.Code != 137 || exit.Err != nil {
			t.Errorf("exit %+v", exit)
		}
		eventually(t, "all gone", func() bool { return marked(m) == 0 })
	})
}

// kill -9 of Daemun itself leaves nothing behind.
func TestCrashLeavesNoOrphans(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			if rt, err := mode.runtime(); err != nil {
				t.Skip(err)
			} else if err := rt.Close(); err != nil {
				t.Fatal(err)
			}
			m := marker(t)
			cmd := exec.Command(testBinary(t))
			cmd.Env = []string{helperVariable + "=daemun", "MARKER=" + m, "MODE=" + mode.name}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if line := readFirstLine(t, bufio.NewReader(out)); line != "started" {
				t.Fatalf("helper: %s", line)
			}
			eventually(t, "all trees are up", func() bool { return marked("sleep\x00"+m) == 9 })
			shims := descendants(allProcesses(), cmd.Process.Pid)
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			eventually(t, "all programs are gone", func() bool { return marked(m) == 0 })
			eventually(t, "all shims are gone", func() bool {
				for _, pid := range shims {
					text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
					if err == nil && strings.HasPrefix(string(text), shimName) {
						return false
					}
				}
				return true
			})
		})
	}
}

func TestFiftyAtOnce(t *testing.T) {
	inModes(t, func(t *testing.T, rt *Runtime) {
		before := time.Now()
		var all sync.WaitGroup
		procs := make([]*Process, 50)
		for i := range procs {
			all.Go(func() {
				p, err := rt.Start(Spec{ID: fmt.Sprintf("t/p%d/c", i), Argv: []string{"sleep", "1000"}, Env: []string{testPath}})
				if err != nil {
					t.Error(err)
					return
				}
				procs[i] = p
			})
		}
		all.Wait()
		t.Logf("50 containers started in %v", time.Since(before))
		if err := rt.Close(); err != nil {
			t.Fatal(err)
		}
		for _, p := range procs {
			if p == nil {
				continue
			}
			select {
			case <-p.Done():
			default:
				t.Errorf("%s still runs after Close", p.id)
			}
		}
		if _, err := rt.Start(Spec{ID: "late", Argv: []string{"true"}}); !errors.Is(err, errClosed) {
			t.Errorf("start after close: %v", err)
		}
	})
}

// Not parallel: it counts the descriptors of the whole process.
func TestNoDescriptorsLeak(t *testing.T) {
	for _, m := range modes {
		rt, err := m.runtime()
		if err != nil {
			continue
		}
		use := func() {
			run(t, rt, "echo x; exit 1")
			if _, err := rt.Start(Spec{ID: "x", Argv: []string{"/no/such"}}); err == nil {
				t.Error("no error")
			}
			p, err := rt.Start(Spec{ID: "x", Argv: []string{"sleep", "1000"}, Env: []string{testPath}, Log: filepath.Join(t.TempDir(), "log")})
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := p.Exec(t.Context(), []string{"true"}, 1); err != nil {
				t.Error(err)
			}
			p.Kill()
			<-p.Done()
		}
		use()
		before := openDescriptors(t)
		for range 5 {
			use()
		}
		if diff := cmp.Diff(before, openDescriptors(t)); diff != "" {
			t.Errorf("%s: descriptors (-before +after):\n%s", m.name, diff)
		}
		if err := rt.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// openDescriptors counts what is open, by kind.
func openDescriptors(t *testing.T) map[string]int {
	t.Helper()
	names, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, n := range names {
		if text, err := os.Readlink(n); err == nil {
			kind, _, _ := strings.Cut(text, ":")
			found[kind]++
		}
	}
	return found
}

func BenchmarkStart(b *testing.B) {
	for _, m := range modes {
		b.Run(m.name, func(b *testing.B) {
			rt, err := m.runtime()
			if err != nil {
				b.Skip(err)
			}
			defer rt.Close()
			for b.Loop() {
				p, err := rt.Start(Spec{ID: "b", Argv: []string{"/bin/true"}})
				if err != nil {
					b.Fatal(err)
				}
				<-p.Done()
			}
		})
	}
}
