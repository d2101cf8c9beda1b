package examples

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"daemun/internal/daemuntest"
)

// TestReadmes runs the commands of every example's README against a running
// `daemun up` of the folder and compares what they print. In the expected
// output "…" stands for any text.
func TestReadmes(t *testing.T) {
	t.Parallel()
	bin := daemuntest.Build(t)
	readmes := slices.DeleteFunc(glob(t, "*/README.md", "from-ingress-nginx/*/README.md"), func(readme string) bool {
		return readme == "from-ingress-nginx/README.md" // a list of examples
	})
	for _, readme := range readmes {
		t.Run(filepath.Dir(readme), func(t *testing.T) {
			t.Parallel()
			runReadme(t, bin, filepath.Dir(readme))
		})
	}
}

// glob finds the files of several patterns; each has to find something.
func glob(t *testing.T, patterns ...string) []string {
	t.Helper()
	var found []string
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: nothing found (%v)", pattern, err)
		}
		found = append(found, files...)
	}
	return found
}

// session is one running example.
type session struct {
	bin, dir string // of the program; of a copy of the example
	daemun   *daemuntest.Instance
	// ports maps documented ports to bound ones.
	ports map[string]string
	// nodes is the bound prefix of the documented addresses 127.18.0.
	nodes string
}

// documentedNodes is where the nodes of a Daemun that runs alone are.
const documentedNodes = "127.18.0."

func runReadme(t *testing.T, bin, name string) {
	text, err := os.ReadFile(filepath.Join(name, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	steps := parseConsole(string(text))
	if len(steps) == 0 {
		t.Fatalf("%s/README.md has no console block", name)
	}
	s := newSession(t, bin)
	s.copyExample(t, name)
	s.run(t, steps)
}

func newSession(t *testing.T, bin string) *session {
	return &session{bin: bin, dir: t.TempDir(), ports: map[string]string{"9000": daemuntest.FreePort(t), "3001": daemuntest.FreePort(t)}}
}

// run does one step after the other.
func (s *session) run(t *testing.T, steps []step) {
	t.Helper()
	for _, step := range steps {
		if args, ok := strings.CutPrefix(step.command, "daemun up "); ok {
			s.up(t, strings.Fields(args))
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
func (s *session) up(t *testing.T, paths []string) {
	t.Helper()
	// Examples have different node ports, so they can share an address.
	s.daemun = daemuntest.Up(t, daemuntest.Options{Bin: s.bin, Dir: s.dir, Paths: paths, NodePorts: "127.0.0.1/32"}, nil)
	s.nodes = strings.TrimSuffix(s.daemun.Networks.Nodes, "0/22")
	for documented, addr := range map[string]string{"8080": s.daemun.HTTP, "8443": s.daemun.HTTPS, "10254": s.daemun.Admin, "5353": s.daemun.DNS} {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		s.ports[documented] = port
	}
}

// check runs a command until it prints what the README says: an example may
// show a state that is still to come, as a reader would try again.
func (s *session) check(t *testing.T, st step) {
	t.Helper()
	command := s.translate(st.command, func(documented, bound string) (string, string) { return documented, bound })
	env := append(os.Environ(), "PATH="+s.bin+":"+os.Getenv("PATH"), "NO_COLOR=1")
	if s.daemun != nil {
		env = append(env, "DAEMUN_ADMIN_ADDRESS="+s.daemun.Admin)
	}
	pattern := wantPattern(st.want)
	daemuntest.Eventually(t, 30*time.Second, "$ "+st.command, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, "sh", "-c", command)
		cmd.Dir, cmd.Env = s.dir, env
		out, err := cmd.CombinedOutput()
		got := s.translate(string(out), func(documented, bound string) (string, string) { return bound, documented })
		if !pattern.MatchString(strings.TrimRight(got, "\n")) {
			return fmt.Errorf("exit: %w\ngot:\n%s\nwant:\n%s", err, got, st.want)
		}
		return nil
	})
}

// translate replaces documented ports and node addresses by bound ones, or the
// other way. The ports of a Service are its own: 8080 is Daemun's only behind
// 127.0.0.1 or a name of localhost.
func (s *session) translate(text string, pair func(documented, bound string) (from, to string)) string {
	if s.nodes != "" {
		from, to := pair(documentedNodes, s.nodes)
		text = strings.ReplaceAll(text, from, to)
	}
	for documented, bound := range s.ports {
		from, to := pair(documented, bound)
		for _, before := range []string{"127.0.0.1:", "localhost:", "=", "-p "} {
			text = strings.ReplaceAll(text, before+from, before+to)
		}
	}
	return text
}

// wantPattern turns expected output into an expression: "…" is any text, runs
// of blanks are equal.
func wantPattern(want string) *regexp.Regexp {
	quoted := regexp.QuoteMeta(strings.TrimRight(want, "\n"))
	quoted = regexp.MustCompile(` +`).ReplaceAllString(quoted, ` +`)
	return regexp.MustCompile(`(?s)^` + strings.ReplaceAll(quoted, "…", ".*") + `$`)
}

// copyExample copies an example so that its files may be changed, with
// documented ports of the machine replaced by free ones.
func (s *session) copyExample(t *testing.T, name string) {
	t.Helper()
	to := filepath.Join(s.dir, "examples", name)
	if err := os.CopyFS(to, os.DirFS(name)); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(to, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(b), ": 9000", ": "+s.ports["9000"])
		if err := os.WriteFile(f, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
