package process

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// volume makes a directory with files, from "name=text" pairs.
func volume(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		name, text, _ := strings.Cut(f, "=")
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestMounts(t *testing.T) {
	inMountModes(t, func(t *testing.T, rt *Runtime) {
		v := volume(t, "a=from a", "deep/b=from b")
		w := volume(t, "c=from c")
		existing := volume(t, "old=original", "sub/x=original", "link-target=t")
		if err := os.Symlink("link-target", filepath.Join(existing, "link")); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(v, "a")
		cases := []struct {
			name   string
			mounts []Mount
			script string
			want   []string
		}{
			{"existing directory", []Mount{{v, existing, false}}, "ls " + existing, []string{"a", "deep"}},
			{"existing file", []Mount{{file, existing + "/old", false}}, "cat " + existing + "/old " + existing + "/sub/x", []string{"from a", "original"}},
			{"missing at the root", []Mount{{v, "/daemun-test-data", false}}, "cat /daemun-test-data/deep/b; ls -d /etc /tmp /usr/bin", []string{"from b", "/etc", "/tmp", "/usr/bin"}},
			{"missing, deep, at the root", []Mount{{v, "/daemun-test-data/x/y", false}}, "cat /daemun-test-data/x/y/a", []string{"from a"}},
			{"missing below /etc", []Mount{{v, "/etc/daemun-config", true}}, "cat /etc/daemun-config/a; test -s /etc/passwd && test -L /etc/mtab -o ! -e /etc/mtab && echo rest", []string{"from a", "rest"}},
			{"through a link", []Mount{{v, "/var/run/daemun-secrets/x", true}}, "cat /var/run/daemun-secrets/x/a; cat /run/daemun-secrets/x/a", []string{"from a", "from a"}},
			{"conf.d of an installed program", []Mount{{v, "/etc/nginx-daemun/conf.d", true}}, "ls /etc/nginx-daemun/conf.d", []string{"a", "deep"}},
			{"single file by subPath, missing", []Mount{{file, "/etc/daemun-app/config.yaml", true}}, "cat /etc/daemun-app/config.yaml", []string{"from a"}},
			{"single file at the root", []Mount{{file, "/daemun-test-file", false}}, "cat /daemun-test-file", []string{"from a"}},
			{"two with one parent", []Mount{{v, "/etc/daemun-1", false}, {w, "/etc/daemun-2", false}}, "cat /etc/daemun-1/a /etc/daemun-2/c", []string{"from a", "from c"}},
			{"inner before outer", []Mount{{w, "/daemun-test/out/deep", false}, {v, "/daemun-test/out", false}}, "cat /daemun-test/out/a /daemun-test/out/deep/c", []string{"from a", "from c"}},
			{"missing inside a read-only volume", []Mount{{w, "/daemun-test/new", false}, {v, "/daemun-test", true}}, "cat /daemun-test/a /daemun-test/new/c; touch /daemun-test/z 2>/dev/null || echo locked", []string{"from a", "from c", "locked"}},
			{"covered directory keeps files, links and writes below", []Mount{{v, existing + "/extra", false}}, "cd " + existing + " && cat old link extra/a && echo changed > sub/x && cat sub/x", []string{"original", "t", "from a", "changed"}},
			{"writable", []Mount{{w, "/daemun-test", false}}, "echo new > /daemun-test/n && cat /daemun-test/n", []string{"new"}},
			{"read-only", []Mount{{w, "/daemun-test", true}}, "echo new 2>/dev/null > /daemun-test/m || echo refused", []string{"refused"}},
			{"read-only file", []Mount{{file, existing + "/old", true}}, "echo new 2>/dev/null > " + existing + "/old || echo refused", []string{"refused"}},
			{"source under another target", []Mount{{w, v, false}, {v, "/daemun-test", false}}, "cat /daemun-test/a " + v + "/c", []string{"from a", "from c"}},
			{"/proc works", []Mount{{v, "/daemun-test", false}}, "test -d /proc/self && cat /proc/$$/comm", []string{"sh"}},
			{"the machine's root is gone", []Mount{{v, "/daemun-test", false}}, "grep -c ' / / ' /proc/self/mountinfo", []string{"1"}},
			{"devices work", []Mount{{v, "/daemun-test", false}}, "echo x > /dev/null && head -c 1 /dev/zero | wc -c", []string{"1"}},
		}
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				exit, lines := run(t, rt, c.script, c.mounts...)
				var want []string
				for _, l := range c.want {
					want = append(want, "stdout: "+l)
				}
				if diff := cmp.Diff(want, lines); diff != "" || exit.Err != nil {
					t.Errorf("(-want +got):\n%s\n%+v", diff, exit)
				}
			})
		}
		for _, path := range []string{"/daemun-test", "/daemun-test-data", "/daemun-test-file", "/etc/daemun-config", "/etc/daemun-1", "/run/daemun-secrets", existing + "/extra"} {
			if _, err := os.Lstat(path); err == nil {
				t.Errorf("%s was made on the machine", path)
			}
		}
		if _, err := os.Stat(filepath.Join(w, "n")); err != nil {
			t.Errorf("a write to a volume did not arrive: %v", err)
		}
	})
}

func TestMountErrors(t *testing.T) {
	inMountModes(t, func(t *testing.T, rt *Runtime) {
		v := volume(t, "a=x")
		dangling := filepath.Join(v, "dangling")
		if err := os.Symlink("/no/such", dangling); err != nil {
			t.Fatal(err)
		}
		cases := []struct {
			name  string
			mount Mount
			want  string
		}{
			{"no source", Mount{"/no/such", "/data", false}, `volume for "/data": "/no/such": no such file or directory`},
			{"file on directory", Mount{v + "/a", "/etc", false}, `mount at "/etc": is a directory, but its source "` + v + `/a" is a file`},
			{"directory on file", Mount{v, "/etc/passwd", false}, `mount at "/etc/passwd": is a file, but its source "` + v + `" is a directory`},
			{"below a file", Mount{v, "/etc/passwd/x", false}, `mount at "/etc/passwd/x": "/etc/passwd" is not a directory`},
			{"dangling link", Mount{v, dangling, false}, `mount at "` + dangling + `": "` + dangling + `" is a symbolic link to something that does not exist`},
		}
		for _, c := range cases {
			_, err := rt.Start(Spec{ID: "c", Argv: []string{"true"}, Mounts: []Mount{c.mount}})
			if want := "container c: " + c.want; err == nil || err.Error() != want {
				t.Errorf("%s: got %v, want %s", c.name, err, want)
			}
		}
	})
}

func TestExecSeesMounts(t *testing.T) {
	inMountModes(t, func(t *testing.T, rt *Runtime) {
		p, err := rt.Start(Spec{ID: "c", Argv: []string{"sleep", "1000"}, Env: []string{testPath}, Mounts: []Mount{{volume(t, "a=seen"), "/daemun-test", true}}})
		if err != nil {
			t.Fatal(err)
		}
		code, out, err := p.Exec(t.Context(), []string{"cat", "/daemun-test/a"}, 100)
		if code != 0 || string(out) != "seen\n" || err != nil {
			t.Errorf("got %d %q %v", code, out, err)
		}
	})
}

func TestProgramFromAVolume(t *testing.T) {
	inMountModes(t, func(t *testing.T, rt *Runtime) {
		v := volume(t, "tool=#!/bin/sh\necho ran")
		if err := os.Chmod(filepath.Join(v, "tool"), 0o755); err != nil {
			t.Fatal(err)
		}
		var out capture
		p, err := rt.Start(Spec{ID: "c", Argv: []string{"tool"}, Env: []string{"PATH=/daemun-app/bin"}, WorkingDir: "/daemun-app/data", Mounts: []Mount{{v, "/daemun-app/bin", true}}, Output: out.add})
		if err != nil {
			t.Fatal(err)
		}
		p.Exit()
		if !out.has("stdout: ran") {
			t.Errorf("output %q", out.get())
		}
	})
}

func TestPIDNamespaceHidesTheMachine(t *testing.T) {
	inMountModes(t, func(t *testing.T, rt *Runtime) {
		_, lines := run(t, rt, "ls /proc | grep -c '^[0-9]'")
		if n, err := strconv.Atoi(strings.TrimPrefix(lines[0], "stdout: ")); err != nil || rt.isolation.pid != (n < 8) {
			t.Errorf("%q processes seen, isolation %+v", lines, rt.isolation)
		}
	})
}

// The unprivileged path: as another user when the tests run as root (a plain
// user's run of all other tests covers it anyway).
func TestUnprivilegedUser(t *testing.T) {
	t.Parallel()
	source := volume(t, "file=content", "hosts=own hosts")
	dir := t.TempDir()
	tool := filepath.Join(dir, "test")
	// Another process copies: a descriptor of ours would be inherited by what
	// parallel tests start, and the copy would be busy as a text file.
	if out, err := exec.Command("cp", testBinary(t), tool).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v\n%s", err, out)
	}
	for _, d := range []string{source, filepath.Dir(source), dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(tool)
	cmd.Dir = "/"
	cmd.Env = []string{helperVariable + "=nobody", "SOURCE=" + source}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if cmd.Process == nil && errors.Is(err, syscall.EPERM) {
		t.Skip("this root cannot become another user")
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if refused, reason := strings.CutPrefix(out.String(), "mounts false "); reason {
		t.Skipf("this machine gives plain users no private mounts: %s", refused)
	}
	for _, want := range []string{"mounts true", "content\n", "own-name\n", "own hosts\n", "65534\n", "CapEff:\t0000000000000000\n", "read-only\n"} {
		if os.Geteuid() == 0 && !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, &out)
		}
	}
}
