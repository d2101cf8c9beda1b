package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"daemun/internal/daemuntest"
	"daemun/internal/kubetest"
)

const broken = `
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web}, spec: {rules: [{host: web.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: gone, port: {number: 80}}}}]}}]}}
`

// TestTopOnTerminal: one table that is written over again and again, and Ctrl-C
// is how it ends.
func TestTopOnTerminal(t *testing.T) {
	t.Parallel()
	d := daemuntest.Up(t, daemuntest.Options{Bin: bin}, map[string]string{"web.yaml": broken})
	term := daemuntest.OnTerminal(t, d.Program("top", "--interval", "20ms"))
	term.Until("three tables", func(text string) bool { return strings.Count(text, "\x1b[H") >= 3 })
	term.Type("\x03")
	code, text := term.Ended()
	screen := daemuntest.Screen(text)
	if code != 0 || strings.Count(screen, "HOST") != 1 || !strings.Contains(screen, "web.test") {
		t.Errorf("exit code %d, the screen is\n%s", code, screen)
	}
	once := daemuntest.OnTerminal(t, d.Program("top", "--once"))
	if code, text := once.Ended(); code != 0 || strings.Contains(text, "\x1b[") || !strings.Contains(text, "web.test") {
		t.Errorf("--once: exit code %d, %q", code, text)
	}
}

// TestUpOnTerminal: problems have a colour, unless somebody does not want any,
// and nothing of the progress is left.
func TestUpOnTerminal(t *testing.T) {
	t.Parallel()
	for env, coloured := range map[string]bool{"TERM=xterm": true, "NO_COLOR=1": false, "TERM=dumb": false} {
		dir := t.TempDir()
		file := filepath.Join(dir, "web.yaml")
		if err := os.WriteFile(file, []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(filepath.Join(bin, "daemun"), "up", "--http-port", "0", "--https-port", "0", "--dns-port", "0", "--admin-address", "127.0.0.1:0",
			"--state-dir", filepath.Join(dir, "state"), file)
		cmd.Env = append(os.Environ(), "NO_COLOR=", "TERM=xterm", env)
		term := daemuntest.OnTerminal(t, cmd)
		term.Until("it is up", func(text string) bool { return strings.Contains(text, "Ctrl-C") })
		term.Type("\x03")
		code, text := term.Ended()
		if code != 0 || strings.Contains(text, "\x1b[31m") != coloured {
			t.Errorf("%s: exit code %d, %q", env, code, text)
		}
		if screen := daemuntest.Screen(text); !strings.Contains(screen, "daemun: error: ") || strings.Contains(screen, "\nPods ready:") {
			t.Errorf("%s: the screen is\n%s", env, screen)
		}
	}
}

// TestProgressOnTerminal: a line says what is waited for, and is gone when the
// answer is there; not for programs, and not where it could not be taken away.
func TestProgressOnTerminal(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	file := kubeconfig(t, api)
	for _, c := range []struct {
		env  string
		args []string
		want bool
	}{{"TERM=xterm", nil, true}, {"TERM=dumb", nil, false}, {"TERM=xterm", []string{"-o", "json"}, false}} {
		cmd := exec.Command(filepath.Join(bin, "daemun"), append([]string{"check", "--cluster", "--kubeconfig", file}, c.args...)...)
		cmd.Env = append(os.Environ(), c.env)
		code, text := daemuntest.OnTerminal(t, cmd).Ended()
		if code != 0 || strings.Contains(text, "\rasking "+api.URL) != c.want {
			t.Errorf("%s %v: exit code %d, %q", c.env, c.args, code, text)
		}
		if screen := daemuntest.Screen(text); c.want && strings.Contains(screen, "asking") || !strings.Contains(screen, "ingressclasses") {
			t.Errorf("%s %v: the screen is\n%s", c.env, c.args, screen)
		}
	}
}
