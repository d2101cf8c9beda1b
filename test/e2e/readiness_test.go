package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"daemun/internal/daemuntest"
)

// podStatus is what `get pods -o json` shows of a Pod.
type podStatus struct {
	Metadata struct{ Name string }
	Status   struct {
		ContainerStatuses []struct {
			RestartCount int
			Ready        bool
			State        struct {
				Waiting *struct{ Reason string }
			}
		}
	}
}

// podsOf lists the Pods of an app.
func podsOf(t *testing.T, d *daemuntest.Instance, app string) (list []podStatus) {
	t.Helper()
	out, code := d.Run("get", "pods", "-A", "-o", "json")
	var all []podStatus
	if err := json.Unmarshal([]byte(out), &all); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v:\n%s", code, err, out)
	}
	for _, p := range all {
		if strings.HasPrefix(p.Metadata.Name, app) {
			list = append(list, p)
		}
	}
	return list
}

func restarts(p podStatus) (n int) {
	for _, c := range p.Status.ContainerStatuses {
		n += c.RestartCount
	}
	return n
}

// startOf returns when a Pod's program started, by its log.
func startOf(t *testing.T, d *daemuntest.Instance, pod string) (at time.Time) {
	t.Helper()
	daemuntest.Eventually(t, 20*time.Second, "log of "+pod, func() error {
		out, code := d.Run("logs", pod, "--timestamps")
		stamp, _, found := strings.Cut(out, " Starting server")
		if !found || code != 0 {
			return fmt.Errorf("exit code %d:\n%s", code, out)
		}
		var err error
		at, err = time.Parse(time.RFC3339Nano, stamp)
		return err
	})
	return at
}

// shot is one request with its answer.
type shot struct {
	sent, answered time.Time
	status         int
}

// TestReadinessWindow runs a Pod that is ready from two to four seconds after
// its start. Requests reach it then and at no other time, give or take one
// probe at the end.
func TestReadinessWindow(t *testing.T) {
	t.Parallel()
	const from, to, period = 2 * time.Second, 4 * time.Second, time.Second
	app := echoApp{name: "web", replicas: 1, container: probe("readinessProbe", "/ready")}
	app.env = map[string]string{"ECHO_READY_AFTER": from.String(), "ECHO_READY_FOR": (to - from).String()}
	d := daemuntest.Start(t, daemuntest.Options{Bin: bin}, map[string]string{
		"web.yaml":     app.String(),
		"ingress.yaml": oneIngress("web", "web.test", "web"),
	})
	d.WaitReady(60 * time.Second) // returns when the Pod is ready for the first time

	var shots []shot
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	began, last := time.Now(), time.Time{}
	for last.IsZero() || time.Since(last) < 3*period {
		<-tick.C
		s := shot{sent: time.Now()}
		var err error
		if s.status, _, err = d.Get("http://web.test/"); err != nil {
			t.Fatal(err)
		}
		s.answered = time.Now()
		shots = append(shots, s)
		if s.status == 200 {
			last = s.answered
		}
		if s.sent.Sub(began) > 30*time.Second {
			t.Fatalf("after %d requests the window is not over", len(shots))
		}
	}
	pod := podsOf(t, d, "web-")[0].Metadata.Name
	start := startOf(t, d, pod)
	// Clocks differ by what starting a process and writing a line take.
	const slack = 500 * time.Millisecond
	var first, latest time.Duration
	for _, s := range shots {
		switch {
		case s.status == 200:
			if latest = s.sent.Sub(start); first == 0 {
				first = s.answered.Sub(start)
			}
		case s.status != 503:
			t.Errorf("status %d", s.status)
		}
	}
	t.Logf("%d requests; 200 from %v to %v after the start of the Pod", len(shots), first.Round(time.Millisecond), latest.Round(time.Millisecond))
	if first < from-slack || latest > to+period+slack || first == 0 {
		t.Errorf("200 from %v to %v, want within %v to %v", first, latest, from, to+period)
	}
	if p := podsOf(t, d, "web-"); len(p) != 1 || restarts(p[0]) != 0 || p[0].Metadata.Name != pod {
		t.Errorf("readiness restarted something: %+v", p)
	}
}

// TestNotReadyYet asks from the first moment on: before the window there is no
// answer from the Pod either.
func TestNotReadyYet(t *testing.T) {
	t.Parallel()
	d := up(t, map[string]string{
		"web.yaml":     echoApp{name: "web", replicas: 1}.String(),
		"ingress.yaml": oneIngress("late", "late.test", "late") + "---\n" + oneIngress("web", "web.test", "web"),
	})
	expect(t, d, "http://late.test/", "503")
	d.Write("late.yaml", echoApp{name: "late", replicas: 2, container: probe("readinessProbe", "/ready"), env: map[string]string{"ECHO_READY_AFTER": "2s"}}.String())
	var ready time.Time
	daemuntest.Eventually(t, 20*time.Second, "ready", func() error {
		if got := saw(d, "http://late.test/"); got != "200 late" {
			if got != "503" {
				t.Errorf("got %q", got)
			}
			return errors.New(got)
		}
		ready = time.Now()
		return nil
	})
	earliest := time.Time{}
	for _, p := range podsOf(t, d, "late-") {
		if at := startOf(t, d, p.Metadata.Name); earliest.IsZero() || at.Before(earliest) {
			earliest = at
		}
	}
	t.Logf("first answer %v after the start", ready.Sub(earliest).Round(time.Millisecond))
	if ready.Sub(earliest) < 2*time.Second-500*time.Millisecond {
		t.Errorf("answered %v after the start, ready only after 2s", ready.Sub(earliest))
	}
}

// TestLiveness restarts a container that says it is not well, and it serves
// again.
func TestLiveness(t *testing.T) {
	t.Parallel()
	app := echoApp{name: "web", replicas: 1, env: map[string]string{"ECHO_READY_FOR": "2s"}}
	app.container = probe("livenessProbe", "/ready") + "  initialDelaySeconds: 1\n" + probe("readinessProbe", "/ready")
	d := up(t, map[string]string{
		"web.yaml":     app.String(),
		"ingress.yaml": oneIngress("web", "web.test", "web"),
	})
	daemuntest.Eventually(t, 30*time.Second, "restart", func() error {
		if p := podsOf(t, d, "web-"); len(p) != 1 || restarts(p[0]) == 0 {
			return fmt.Errorf("%+v", p)
		}
		return nil
	})
	expect(t, d, "http://web.test/", "200 web")
}

// TestNotReadyAddresses publishes a Pod that is ready at first only, for the
// Service that asks for it.
func TestNotReadyAddresses(t *testing.T) {
	t.Parallel()
	app := echoApp{name: "web", replicas: 1, container: probe("readinessProbe", "/ready"), env: map[string]string{"ECHO_READY_FOR": "1500ms"}}
	all := app
	all.name, all.service = "all", "publishNotReadyAddresses: true\n"
	other := echoApp{name: "good", replicas: 1}
	d := up(t, map[string]string{
		"web.yaml": app.String(), "good.yaml": other.String(),
		"all.yaml":     strings.ReplaceAll(all.svc(), "app: all", "app: web"),
		"ingress.yaml": oneIngress("web", "web.test", "web") + "---\n" + oneIngress("all", "all.test", "all") + "---\n" + oneIngress("good", "good.test", "good"),
	})
	expect(t, d, "http://web.test/", "503")
	for range 20 {
		if got := saw(d, "http://all.test/"); got != "200 web" {
			t.Errorf("got %q", got)
		}
	}
	expect(t, d, "http://good.test/", "200 good")
}

// TestNoImage leaves a Pod waiting whose image does not exist here; what is
// beside it serves.
func TestNoImage(t *testing.T) {
	t.Parallel()
	bad := strings.Replace(echoApp{name: "bad", replicas: 2}.String(), "daemun/echo", "registry.example/none:1", 1)
	d := up(t, map[string]string{
		"good.yaml": echoApp{name: "good", replicas: 1}.String(), "bad.yaml": bad,
		"ingress.yaml": oneIngress("good", "good.test", "good") + "---\n" + oneIngress("bad", "bad.test", "bad"),
	})
	expect(t, d, "http://good.test/", "200 good")
	expect(t, d, "http://bad.test/", "503")
	pods := podsOf(t, d, "bad-")
	if len(pods) != 2 {
		t.Fatalf("%+v", pods)
	}
	for _, p := range pods {
		if s := p.Status.ContainerStatuses; len(s) != 1 || s[0].State.Waiting == nil || s[0].State.Waiting.Reason != "ErrImageNeverPull" || restarts(p) != 0 {
			t.Errorf("%+v", p)
		}
	}
	daemuntest.Eventually(t, 60*time.Second, "one line with what to do", func() error {
		if said := linesAbout(d.Stderr(), "error|warning", "bad.yaml"); len(said) != 1 || !strings.Contains(said[0], "--image") {
			return fmt.Errorf("said %q", said)
		}
		return nil
	})
	d.Write("bad.yaml", strings.Replace(bad, "registry.example/none:1", "daemun/echo", 1))
	expect(t, d, "http://bad.test/", "200 bad")
}

// TestRollingUpdate replaces all Pods while requests run: none fails, and in
// the end only new Pods answer.
func TestRollingUpdate(t *testing.T) {
	t.Parallel()
	app := func(version string) string {
		return echoApp{name: "web", replicas: 2, env: map[string]string{"NAMESPACE": version}, container: probe("readinessProbe", "/health")}.String()
	}
	d := up(t, map[string]string{"web.yaml": app("v1"), "ingress.yaml": oneIngress("web", "web.test", "web")})
	expect(t, d, "http://web.test/", "200 web")
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				// A body makes the request one that is not repeated blindly.
				resp, err := d.Client().Post("http://web.test/", "text/plain", strings.NewReader(strings.Repeat("x", 1000)))
				if err != nil {
					t.Errorf("request %d: %v", n, err)
					return
				}
				resp.Body.Close()
				if resp.StatusCode != 200 {
					t.Errorf("request %d: status %d", n, resp.StatusCode)
				}
			}
		})
	}
	d.Write("web.yaml", app("v2"))
	daemuntest.Eventually(t, 30*time.Second, "new Pods only", func() error {
		for range 20 {
			_, e, err := d.Get("http://web.test/")
			if err == nil && e.Namespace != "v2" {
				err = fmt.Errorf("answer of %s of version %q", e.Pod, e.Namespace)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	stop()
	clients.Wait()
}
