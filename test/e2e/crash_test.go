package e2e

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"daemun/internal/daemuntest"
)

// stubborn is a Pod whose processes do their best to survive: children in a
// session of their own, and one that ignores signals.
const stubborn = `apiVersion: v1
kind: Pod
metadata:
  name: stubborn
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: shell
      image: none
      command: [sh, -c]
      args:
        - |
          setsid sh -c 'sleep 3600 & exec sleep 3600' &
          (trap '' TERM HUP INT; exec sleep 3600) &
          trap '' TERM
          wait
          sleep 3600
`

// isolations are both ways to run containers.
func isolations() map[string][]string {
	return map[string][]string{"namespaces": nil, "no namespaces": {"--no-namespaces"}}
}

func workload() map[string]string {
	return map[string]string{
		"web.yaml":      echoApp{name: "web", replicas: 3, container: probe("readinessProbe", "/health")}.String(),
		"ingress.yaml":  oneIngress("web", "web.test", "web"),
		"stubborn.yaml": stubborn,
	}
}

// started waits until the Pods have all their processes and returns them.
func started(t *testing.T, d *daemuntest.Instance) []daemuntest.Process {
	t.Helper()
	var below []daemuntest.Process
	daemuntest.Eventually(t, 20*time.Second, "processes of all Pods", func() error {
		below = daemuntest.Descendants(t, d.Process.Pid)
		sleeps := 0
		for _, p := range below {
			if p.Name == "sleep" {
				sleeps++
			}
		}
		if sleeps < 3 {
			return fmt.Errorf("%d sleeping processes of 3 in %v", sleeps, below)
		}
		return nil
	})
	return below
}

// TestKill kills Daemun without warning: nothing it started goes on, and the
// next one starts from the same state.
func TestKill(t *testing.T) {
	t.Parallel()
	for name, args := range isolations() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for range 2 {
				d := daemuntest.Up(t, daemuntest.Options{Bin: bin, Args: args, Dir: dir}, workload())
				expect(t, d, "http://web.test/", "200 web")
				below := started(t, d)
				if err := d.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				if err := d.Wait(20 * time.Second); err == nil {
					t.Error("a killed process ended without an error")
				}
				daemuntest.WaitGone(t, 20*time.Second, below)
			}
			d := daemuntest.Up(t, daemuntest.Options{Bin: bin, Args: args, Dir: dir}, workload())
			expect(t, d, "http://web.test/", "200 web")
		})
	}
}

// answer is a request that is still under way.
type answer struct {
	status int
	err    error
}

// slow starts a request that takes the given time and returns when the backend
// has it.
func slow(t *testing.T, d *daemuntest.Instance, delay string) <-chan answer {
	t.Helper()
	done := make(chan answer, 1)
	go func() { // ends with the request
		status, _, err := d.Get("http://web.test/slow?delay=" + delay)
		done <- answer{status, err}
	}()
	daemuntest.Eventually(t, 20*time.Second, "slow request at the backend", func() error {
		if !strings.Contains(d.Stderr(), "request made to /slow?delay="+delay) {
			return errors.New("not in the log")
		}
		return nil
	})
	return done
}

// TestStop stops Daemun in order: the request in flight finishes, then nothing
// is left.
func TestStop(t *testing.T) {
	t.Parallel()
	for name, args := range isolations() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := up(t, workload(), args...)
			expect(t, d, "http://web.test/", "200 web")
			below := started(t, d)
			done := slow(t, d, "1s")
			if err := d.Stop(); err != nil {
				t.Errorf("exit: %v", err)
			}
			if a := <-done; a.err != nil || a.status != 200 {
				t.Errorf("request in flight: %+v", a)
			}
			daemuntest.WaitGone(t, 0, below)
			for _, addr := range []string{d.HTTP, d.HTTPS, d.Admin} {
				if c, err := net.Dial("tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
					t.Errorf("%s still answers: %v", addr, err)
					if err == nil {
						c.Close()
					}
				}
			}
		})
	}
}

// TestStopAtOnce sends the signal twice: nothing is waited for.
func TestStopAtOnce(t *testing.T) {
	t.Parallel()
	for name, args := range isolations() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := up(t, workload(), append([]string{"--drain-timeout", "1h"}, args...)...)
			below := started(t, d)
			done := slow(t, d, "1h")
			for _, wait := range []string{"stopping", ""} {
				if err := d.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
				daemuntest.Eventually(t, 60*time.Second, "word of the stop", func() error {
					if !strings.Contains(d.Stderr(), wait) {
						return errors.New(d.Stderr())
					}
					return nil
				})
			}
			var exit *exec.ExitError
			if err := d.Wait(20 * time.Second); err != nil && !errors.As(err, &exit) {
				t.Errorf("exit: %v", err)
			}
			if a := <-done; a.err == nil {
				t.Errorf("the request was answered with %d", a.status)
			}
			daemuntest.WaitGone(t, 0, below)
		})
	}
}
