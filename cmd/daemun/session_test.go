package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"daemun/internal/daemuntest"
)

var update = flag.Bool("update", false, "write what the commands of the sessions print")

// TestSessions runs the commands of testdata/*/session.txt in a copy of their
// folder and compares what they print on both outputs, and the exit code where
// it is not 0. In the expected output "…" stands for any text, and runs of
// blanks are equal. "daemun up" goes on in the background; commands after it
// ask it, and are tried again for a while: a state may be still to come.
func TestSessions(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*/session.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no sessions: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			t.Parallel()
			runSession(t, file)
		})
	}
}

// session is one running session.
type session struct {
	dir string
	// running is the background instance, nil before "daemun up".
	running *daemuntest.Instance
}

// step is one command with what it prints.
type step struct{ command, want string }

func runSession(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{dir: t.TempDir()}
	if err := os.CopyFS(s.dir, os.DirFS(filepath.Dir(file))); err != nil {
		t.Fatal(err)
	}
	intro, steps := parseSession(string(text))
	written := intro
	for _, st := range steps {
		got := s.run(t, st)
		written += "$ " + st.command + "\n" + got
	}
	if *update && written != string(text) {
		if err := os.WriteFile(file, []byte(written), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// parseSession returns what stands before the first command, and the commands.
func parseSession(text string) (intro string, steps []step) {
	for line := range strings.Lines(text) {
		command, ok := strings.CutPrefix(line, "$ ")
		switch {
		case ok:
			steps = append(steps, step{command: strings.TrimSuffix(command, "\n")})
		case len(steps) == 0:
			intro += line
		default:
			steps[len(steps)-1].want += line
		}
	}
	return intro, steps
}

// run runs one step and returns what it should print: the expectation if it
// holds.
func (s *session) run(t *testing.T, st step) string {
	t.Helper()
	if args, ok := strings.CutPrefix(st.command, "daemun up "); ok {
		s.running = daemuntest.Up(t, daemuntest.Options{Bin: bin, Dir: s.dir, Paths: strings.Fields(args)}, nil)
		return st.want
	}
	pattern := wantPattern(st.want)
	got := s.output(t, st.command)
	switch {
	case pattern.MatchString(got):
		return st.want
	case *update:
		return got
	case s.running == nil:
		t.Errorf("$ %s\ngot:\n%s\nwant:\n%s", st.command, got, st.want)
		return st.want
	}
	daemuntest.Eventually(t, 20*time.Second, "$ "+st.command, func() error {
		if got := s.output(t, st.command); !pattern.MatchString(got) {
			return fmt.Errorf("got:\n%s\nwant:\n%s", got, st.want)
		}
		return nil
	})
	return st.want
}

// output runs a command and returns both outputs and the exit code.
func (s *session) output(t *testing.T, command string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "NO_COLOR=1", "DAEMUN_ADMIN_ADDRESS=127.0.0.1:1")
	if s.running != nil {
		cmd.Env = append(cmd.Env, "DAEMUN_ADMIN_ADDRESS="+s.running.Admin, "HTTP="+s.running.HTTP)
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return fmt.Sprintf("%s[exit code %d]\n", out, exit.ExitCode())
	case err != nil:
		t.Fatalf("$ %s: %v", command, err)
	}
	return string(out)
}

// wantPattern turns expected output into an expression.
func wantPattern(want string) *regexp.Regexp {
	quoted := regexp.QuoteMeta(want)
	quoted = regexp.MustCompile(` +`).ReplaceAllString(quoted, ` +`)
	return regexp.MustCompile(`(?s)^` + strings.ReplaceAll(quoted, "…", ".*") + `$`)
}
