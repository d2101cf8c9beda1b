package process

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// runSpec starts a shell script in a Spec and waits for its end.
func runSpec(t *testing.T, rt *Runtime, spec Spec, script string) (*Process, []string) {
	t.Helper()
	var c capture
	spec.ID, spec.Argv, spec.Env, spec.Output = "t/p/c", []string{"sh", "-c", script}, []string{testPath}, c.add
	p, err := rt.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	p.Exit()
	return p, c.get()
}

func TestOptionalMounts(t *testing.T) {
	inMountModes(t, func(t *testing.T, rt *Runtime) {
		v := volume(t, "file=ours")
		machine := volume(t, "old=original", "sub/x=original")
		dangling := filepath.Join(machine, "dangling")
		if err := os.Symlink("/no/such/file", dangling); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name     string
			optional Mount
			script   string
			want     string
			leftOut  string
		}{
			{"existing", Mount{v + "/file", "/etc/hosts", false}, "cat /etc/hosts", "ours", ""},
			{"missing", Mount{v + "/file", machine + "/new", false}, "cat " + machine + "/new " + machine + "/sub/x", "ours original", ""},
			{"link to nothing", Mount{v + "/file", dangling, false}, "cat " + dangling + " " + machine + "/old", "ours original", ""},
			{"no source", Mount{v + "/none", "/etc/hosts", false}, "echo runs", "runs", `volume for "/etc/hosts": "` + v + `/none": no such file or directory`},
			{"file on directory", Mount{v + "/file", machine + "/sub", false}, "cat " + machine + "/sub/x", "original", `mount at "` + machine + `/sub": is a directory, but its source "` + v + `/file" is a file`},
		} {
			t.Run(c.name, func(t *testing.T) {
				p, lines := runSpec(t, rt, Spec{Optional: []Mount{c.optional}}, c.script)
				if got := strings.ReplaceAll(strings.Join(lines, " "), "stdout: ", ""); got != c.want {
					t.Errorf("got %q, want %q", got, c.want)
				}
				if got := strings.Join(p.LeftOut(), "; "); got != c.leftOut {
					t.Errorf("left out: %q, want %q", got, c.leftOut)
				}
			})
		}
		if text, err := os.Readlink(dangling); text != "/no/such/file" || err != nil {
			t.Errorf("the machine's link is %q (%v) now", text, err)
		}
	})
}

// What systemd-resolved and others do whenever the network changes.
func TestOptionalMountOutlivesReplacement(t *testing.T) {
	inMountModes(t, func(t *testing.T, rt *Runtime) {
		dir, err := os.MkdirTemp("/run", "daemun-test-")
		if err != nil {
			t.Skipf("needs a folder below /run: %v", err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		for _, name := range []string{"/resolv.conf", "/next"} {
			if err := os.WriteFile(dir+name, []byte("the machine's\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		link := filepath.Join(t.TempDir(), "resolv.conf")
		if err := os.Symlink(dir+"/resolv.conf", link); err != nil {
			t.Fatal(err)
		}
		p, err := rt.Start(Spec{
			ID: "c", Argv: []string{"sleep", "1000"}, Env: []string{testPath},
			Optional: []Mount{{volume(t, "file=ours") + "/file", link, false}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(dir+"/next", dir+"/resolv.conf"); err != nil {
			t.Fatal(err)
		}
		if _, out, err := p.Exec(t.Context(), []string{"cat", link}, 100); string(out) != "ours\n" || err != nil {
			t.Errorf("got %q %v, left out %q", out, err, p.LeftOut())
		}
	})
}

func TestHostname(t *testing.T) {
	inMountModes(t, func(t *testing.T, rt *Runtime) {
		before, err := os.Hostname()
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"web-0": "stdout: web-0", "": "stdout: " + before} {
			if _, lines := runSpec(t, rt, Spec{Hostname: name}, "uname -n"); cmp.Diff([]string{want}, lines) != "" {
				t.Errorf("%q: got %q", name, lines)
			}
		}
		long := strings.Repeat("x", 65) // the kernel takes 64
		if p, lines := runSpec(t, rt, Spec{Hostname: long}, "uname -n"); len(p.LeftOut()) != 1 || cmp.Diff([]string{"stdout: " + before}, lines) != "" {
			t.Errorf("got %q, left out %q", lines, p.LeftOut())
		}
		if after, err := os.Hostname(); after != before || err != nil {
			t.Errorf("the machine is called %q now (%v)", after, err)
		}
	})
}
