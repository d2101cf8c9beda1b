package examples

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestReadmes runs the commands of every example's README against a running
// `daemun up` of the folder and compares what they print. In the expected
// output "…" stands for any text.
func TestReadmes(t *testing.T) {
	t.Parallel()
	bin := buildDaemun(t)
	readmes, err := filepath.Glob("*/README.md")
	if err != nil || len(readmes) == 0 {
		t.Fatalf("no examples found: %v", err)
	}
	for _, readme := range readmes {
		t.Run(filepath.Dir(readme), func(t *testing.T) {
			t.Parallel()
			runReadme(t, bin, filepath.Dir(readme))
		})
	}
}

// buildDaemun builds the program once for all examples and returns its folder.
func buildDaemun(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "daemun"), "daemun/cmd/daemun")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return dir
}

// session is one running example.
type session struct {
	dir   string // a copy of the example
	env   []string
	ports map[string]string // documented port → bound port
}

func runReadme(t *testing.T, bin, name string) {
	text, err := os.ReadFile(filepath.Join(name, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	steps := parseConsole(string(text))
	if len(steps) == 0 {
		t.Fatalf("%s/README.md has no console block", name)
	}
	s := &session{dir: t.TempDir(), ports: map[string]string{}}
	copyExample(t, name, filepath.Join(s.dir, "examples", name))
	s.env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "NO_COLOR=1")
	for _, step := range steps {
		if strings.HasPrefix(step.command, "daemun up ") {
			s.up(t, strings.Fields(step.command)[2:])
			continue
		}
		s.check(t, step)
	}
}

// step is one command with what it prints.
type step struct{ command, want string }

// parseConsole returns the commands of all ```console blocks.
func parseConsole(text string) []step {
	var steps []step
	in := false
	for line := range strings.Lines(text) {
		switch line = strings.TrimRight(line, "\n"); {
		case strings.HasPrefix(line, "```"):
			in = line == "```console"
		case in && strings.HasPrefix(line, "$ "):
			steps = append(steps, step{command: strings.TrimPrefix(line, "$ ")})
		case in && len(steps) > 0:
			steps[len(steps)-1].want += line + "\n"
		}
	}
	return steps
}

// up starts `daemun up` on free ports and waits until it is ready.
func (s *session) up(t *testing.T, args []string) {
	t.Helper()
	ready := filepath.Join(t.TempDir(), "ready.json")
	var stderr bytes.Buffer
	cmd := exec.Command("daemun", append([]string{"up", "--http-port", "0", "--https-port", "0", "--admin-address", "127.0.0.1:0",
		"--ready-file", ready, "--state-dir", filepath.Join(s.dir, "state")}, args...)...)
	cmd.Path = lookIn(s.env, "daemun")
	cmd.Dir, cmd.Env = s.dir, s.env
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("daemun up: %v\n%s", err, &stderr)
		} else if t.Failed() {
			t.Logf("daemun up printed:\n%s", &stderr)
		}
	})
	var bound struct{ HTTP, HTTPS, Admin string }
	within(t, 60*time.Second, "the ready file", func() error {
		b, err := os.ReadFile(ready)
		if err != nil {
			return err
		}
		return json.Unmarshal(b, &bound)
	})
	for documented, addr := range map[string]string{"8080": bound.HTTP, "8443": bound.HTTPS, "10254": bound.Admin} {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		s.ports[documented] = port
	}
	s.env = append(s.env, "DAEMUN_ADMIN_ADDRESS="+bound.Admin)
}

// check runs a command until it prints what the README says: an example may
// show a state that is still to come, as a reader would try again.
func (s *session) check(t *testing.T, st step) {
	t.Helper()
	command := st.command
	for documented, bound := range s.ports {
		command = strings.ReplaceAll(command, ":"+documented, ":"+bound)
	}
	pattern := wantPattern(st.want)
	within(t, 30*time.Second, "$ "+st.command, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, "sh", "-c", command)
		cmd.Dir, cmd.Env = s.dir, s.env
		out, err := cmd.CombinedOutput()
		got := string(out)
		for documented, bound := range s.ports {
			got = strings.ReplaceAll(got, ":"+bound, ":"+documented)
		}
		if !pattern.MatchString(strings.TrimRight(got, "\n")) {
			return fmt.Errorf("exit: %v\ngot:\n%s\nwant:\n%s", err, got, st.want)
		}
		return nil
	})
}

// wantPattern turns expected output into an expression: "…" is any text, runs
// of blanks are equal.
func wantPattern(want string) *regexp.Regexp {
	quoted := regexp.QuoteMeta(strings.TrimRight(want, "\n"))
	quoted = regexp.MustCompile(` +`).ReplaceAllString(quoted, ` +`)
	return regexp.MustCompile(`(?s)^` + strings.ReplaceAll(quoted, "…", ".*") + `$`)
}

// within tries f until it succeeds or the time is over.
func within(t *testing.T, d time.Duration, what string, f func() error) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(d)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		<-tick.C
	}
}

func lookIn(env []string, name string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if list, ok := strings.CutPrefix(env[i], "PATH="); ok {
			return filepath.Join(filepath.SplitList(list)[0], name)
		}
	}
	return name
}

func copyExample(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}
