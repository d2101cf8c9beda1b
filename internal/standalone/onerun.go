package standalone

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"

	"daemun/internal/ir"
	"daemun/internal/probe"
)

// minStopTime is what remains after a preStop hook that took the whole grace
// period, as the kubelet gives it.
const minStopTime = 2 * time.Second

// oneRun is one start of a container until its end.
type oneRun struct {
	c     *containerRun
	proc  container
	since time.Time

	// alive ends with the process, live earlier: when it is being stopped.
	// Readiness is probed to the end, liveness is not (services §8.3).
	alive, live     context.Context
	ended, stopping context.CancelFunc

	unhealthy chan failing
	probes    sync.WaitGroup
}

// failing is the verdict that a container must be restarted.
type failing struct {
	reason string
	grace  time.Duration
}

func (r *oneRun) target() probe.Target {
	ports := map[string]int32{}
	for _, p := range r.c.spec.Ports {
		if p.Name != "" {
			ports[p.Name] = p.ContainerPort
		}
	}
	return probe.Target{PodIP: r.c.w.pod.Status.PodIP, Ports: ports, Exec: r.proc.Exec}
}

func (r *oneRun) worker(p *corev1.Probe, field string, verdict func(bool, probe.Result)) *probe.Worker {
	w := r.c.w
	return &probe.Worker{
		Probe: p, Target: r.target(), Started: r.since, Verdict: verdict,
		Event: func(res probe.Result) {
			if res.Outcome == probe.Unknown {
				w.update(func() {
					w.problemLocked(CodeProbe, r.c.field+"."+field, "the probe cannot be made: "+res.Message, ir.SeverityWarning)
				})
			}
		},
	}
}

// startProbes starts what the container's probes ask for: the startup probe
// alone until it succeeds, then the others.
func (r *oneRun) startProbes() {
	p := r.c.spec.StartupProbe
	if p == nil {
		r.started()
		return
	}
	ctx, finished := context.WithCancel(r.live)
	r.probes.Go(func() {
		defer finished()
		ok := false
		w := r.worker(p, "startupProbe", func(success bool, last probe.Result) {
			if ok = success; !success {
				r.restart("startup probe failed: "+last.Message, p)
			}
			finished()
		})
		w.Run(ctx)
		if ok {
			r.started()
		}
	})
}

// started begins readiness and liveness.
func (r *oneRun) started() {
	c := r.c
	yes := true
	c.w.update(func() {
		c.status.Started = &yes
		c.status.Ready = c.spec.ReadinessProbe == nil
	})
	c.once.Do(func() { close(c.startedOnce) })
	if p := c.spec.ReadinessProbe; p != nil {
		w := r.worker(p, "readinessProbe", func(ok bool, _ probe.Result) { c.w.update(func() { c.status.Ready = ok }) })
		r.probes.Go(func() { w.Run(r.alive) })
	}
	if p := c.spec.LivenessProbe; p != nil {
		w := r.worker(p, "livenessProbe", func(ok bool, last probe.Result) {
			if !ok {
				r.restart("liveness probe failed: "+last.Message, p)
			}
		})
		r.probes.Go(func() { w.Run(r.live) })
	}
}

func (r *oneRun) restart(reason string, p *corev1.Probe) {
	grace := r.c.w.grace()
	if p.TerminationGracePeriodSeconds != nil {
		grace = time.Duration(*p.TerminationGracePeriodSeconds) * time.Second
	}
	select {
	case r.unhealthy <- failing{reason, grace}:
	default:
	}
}

// wait returns when the process has ended, by itself or because it had to, and
// says why it had to.
func (r *oneRun) wait(ctx context.Context) (reason string) {
	steady := time.NewTimer(firstBackOff)
	defer steady.Stop()
	for {
		select {
		case <-r.proc.Done():
			return ""
		case <-ctx.Done():
			r.lameDuck()
			r.terminate(r.c.w.grace())
			return ""
		case f := <-r.unhealthy:
			r.terminate(f.grace)
			return f.reason
		case <-steady.C:
			// It stays up: people need not hear of the crash loop any more.
			r.c.w.update(func() { r.c.w.problemLocked(CodeCrashLoop, r.c.field, "", "") })
		}
	}
}

// lameDuck lets a container go on as if nothing had happened while the word
// that its Pod ends reaches the data plane.
func (r *oneRun) lameDuck() {
	cfg := r.c.w.host.cfg
	if cfg.InForce != nil && r.c.w.grace() > 0 {
		ctx, cancel := context.WithTimeout(r.c.w.kill, min(inForceTimeout, r.c.w.grace()))
		r.c.w.host.published()
		cfg.InForce(ctx)
		cancel()
	}
	timer := time.NewTimer(min(cfg.LameDuck, r.c.w.grace()))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.proc.Done():
	case <-r.c.w.kill.Done():
	}
}

// inForceTimeout is how long a Pod waits for the data plane at most. On a busy
// machine the word takes longer than usual; a data plane that hangs must not
// keep Pods alive.
const inForceTimeout = 5 * time.Second

// terminate ends the process: preStop, SIGTERM, and after the grace period
// SIGKILL for the whole tree.
func (r *oneRun) terminate(grace time.Duration) {
	r.stopping()
	deadline := time.Now().Add(grace)
	kill := r.c.w.kill
	if grace > 0 && kill.Err() == nil {
		r.preStop(kill, grace)
		r.proc.Signal(syscall.SIGTERM) // an ended process is no error; a failed signal is followed by Kill
	}
	left := max(time.Until(deadline), 0)
	if grace > 0 {
		left = max(left, min(minStopTime, grace))
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-r.proc.Done():
		return
	case <-kill.Done():
	case <-timer.C:
	}
	r.proc.Kill()
	<-r.proc.Done()
}

// postStart runs the hook; the container counts as running only after it.
func (r *oneRun) postStart(ctx context.Context) error {
	if r.c.spec.Lifecycle == nil || r.c.spec.Lifecycle.PostStart == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with this function or the process
		select {
		case <-r.proc.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	return r.hook(ctx, r.c.spec.Lifecycle.PostStart)
}

func (r *oneRun) preStop(ctx context.Context, grace time.Duration) {
	if r.c.spec.Lifecycle == nil || r.c.spec.Lifecycle.PreStop == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	stop := context.AfterFunc(r.alive, cancel)
	defer stop()
	if err := r.hook(ctx, r.c.spec.Lifecycle.PreStop); err != nil && ctx.Err() == nil {
		// The container is stopped all the same, as in a cluster.
		c := r.c
		c.w.update(func() {
			c.w.problemLocked(CodeStart, c.field+".lifecycle.preStop", err.Error(), ir.SeverityWarning)
		})
	}
}

// hook runs one lifecycle handler within ctx.
func (r *oneRun) hook(ctx context.Context, h *corev1.LifecycleHandler) error {
	if h.Sleep != nil {
		timer := time.NewTimer(time.Duration(h.Sleep.Seconds) * time.Second)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.proc.Done():
		case <-ctx.Done():
		}
		return nil
	}
	p := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: h.Exec, HTTPGet: h.HTTPGet, TCPSocket: h.TCPSocket}, TimeoutSeconds: hookLimit}
	res := probe.Attempt(ctx, p, r.target())
	if res.Outcome != probe.Success {
		return fmt.Errorf("lifecycle hook: %s", res.Message)
	}
	return nil
}

// hookLimit, in seconds, bounds hooks that have no limit of their own: the
// start of a container must not hang for ever.
const hookLimit = 3600
