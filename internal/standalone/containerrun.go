package standalone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/ir"
	"daemun/internal/process"
)

// containerRun runs one container of a Pod, again and again as its restart
// policy says.
type containerRun struct {
	w     *worker
	spec  *corev1.Container
	field string // "spec.containers[0]"
	list  string // "containers", "initContainers"

	lastLine    atomic.Pointer[string] // the last line of output
	startedOnce chan struct{}          // closed when the container has started first
	once        sync.Once

	status corev1.ContainerStatus // guarded by w.mu
}

func newContainerRun(w *worker, c *corev1.Container, list string, i int) *containerRun {
	no := false
	r := &containerRun{
		w: w, spec: c, list: list, field: fmt.Sprintf("spec.%s[%d]", list, i), startedOnce: make(chan struct{}),
		status: corev1.ContainerStatus{Name: c.Name, Image: c.Image, Started: &no},
	}
	r.waitingLocked("ContainerCreating", "")
	if w.initOnly(list) {
		r.waitingLocked("PodInitializing", "")
	}
	return r
}

// initOnly says whether a main container has to wait for init containers.
func (w *worker) initOnly(list string) bool { return list == "containers" && len(w.init) > 0 }

func (c *containerRun) isInit() bool { return c.list == "initContainers" }

func (c *containerRun) waitingLocked(reason, message string) {
	c.status.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

func (c *containerRun) remember(line []byte) {
	if line = bytes.TrimSpace(line); len(line) > 0 {
		text := string(line[:min(len(line), 200)])
		c.lastLine.Store(&text)
	}
}

// run returns the last exit code, and ended false when ctx ended the container
// or kept it from starting.
func (c *containerRun) run(ctx context.Context) (code int, ended bool) {
	var wait backOff
	for {
		spec, ok := c.resolve(ctx)
		if !ok {
			return 0, false
		}
		exit := c.attempt(ctx, spec)
		if ctx.Err() != nil {
			return exit.Code, false
		}
		if !c.w.restarts(c, exit.Code) {
			return exit.Code, true
		}
		if !c.pause(ctx, wait.after(exit.Finished.Sub(exit.Started)), exit) {
			return exit.Code, false
		}
	}
}

// resolve waits until the container can be started.
func (c *containerRun) resolve(ctx context.Context) (process.Spec, bool) {
	for ctx.Err() == nil {
		news := c.w.news()
		spec, why := c.w.spec(c)
		if why == nil {
			return spec, true
		}
		c.w.update(func() {
			c.waitingLocked(why.reason, why.message)
			c.w.problemLocked(why.code, why.field, why.message, ir.SeverityWarning)
		})
		select {
		case <-news:
		case <-ctx.Done():
		}
		c.w.mu.Lock()
		c.w.problemLocked(why.code, why.field, "", "")
		c.w.mu.Unlock()
	}
	return process.Spec{}, false
}

// attempt runs the container once.
func (c *containerRun) attempt(ctx context.Context, spec process.Spec) process.Exit {
	c.lastLine.Store(nil)
	proc, err := c.w.host.rt.Start(spec)
	if err != nil {
		return c.notStarted(err)
	}
	notice := ""
	if left := proc.LeftOut(); len(left) > 0 {
		notice = "containers see a part of this machine's own names: " + strings.Join(left, "; ")
	}
	c.w.noticeNames("view", notice)
	run := &oneRun{c: c, proc: proc, unhealthy: make(chan failing, 1), since: time.Now()}
	run.alive, run.ended = context.WithCancel(context.Background())
	defer run.ended()
	hooked := run.postStart(ctx)
	c.w.update(func() {
		c.w.problemLocked(CodeStart, c.field, "", "")
		yes := c.spec.StartupProbe == nil
		c.status.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(run.since)}}
		c.status.Started, c.status.Ready = &yes, false
	})
	run.live, run.stopping = context.WithCancel(run.alive)
	defer run.stopping()
	reason := ""
	if hooked == nil {
		run.startProbes()
		reason = run.wait(ctx)
	} else {
		reason = "FailedPostStartHook"
		c.w.update(func() {
			c.w.problemLocked(CodeStart, c.field+".lifecycle.postStart", hooked.Error(), ir.SeverityWarning)
		})
		run.terminate(c.w.grace())
	}
	run.ended()
	run.probes.Wait()
	exit := proc.Exit()
	c.terminated(exit, reason)
	return exit
}

func (c *containerRun) notStarted(err error) process.Exit {
	now := time.Now()
	exit := process.Exit{Code: 128, Started: now, Finished: now, Err: err}
	var start *process.StartError
	if errors.As(err, &start) {
		exit.Code = start.Code
	}
	c.w.mu.Lock()
	c.w.problemLocked(CodeStart, c.field, err.Error(), ir.SeverityError)
	c.w.mu.Unlock()
	c.terminated(exit, "StartError")
	return exit
}

func (c *containerRun) terminated(exit process.Exit, reason string) {
	t := &corev1.ContainerStateTerminated{
		ExitCode: int32(exit.Code), Reason: "Completed",
		StartedAt: metav1.NewTime(exit.Started), FinishedAt: metav1.NewTime(exit.Finished),
	}
	if exit.Code != 0 {
		t.Reason = "Error"
	}
	if sig, ok := exit.Signal.(syscall.Signal); ok {
		t.Signal = int32(sig)
	}
	if reason != "" {
		t.Message = reason
	}
	if reason == "StartError" {
		t.Reason, t.Message = reason, exit.Err.Error()
	}
	no := false
	c.w.update(func() {
		c.status.State = corev1.ContainerState{Terminated: t}
		c.status.Started, c.status.Ready = &no, c.isInit() && !isSidecar(c.spec) && exit.Code == 0
	})
}

// pause waits before the next start.
func (c *containerRun) pause(ctx context.Context, wait time.Duration, exit process.Exit) bool {
	c.w.update(func() {
		c.status.LastTerminationState = c.status.State
		c.status.RestartCount++
		if wait > 0 {
			message := fmt.Sprintf("back-off %s restarting failed container", wait)
			c.waitingLocked("CrashLoopBackOff", message)
			c.w.problemLocked(CodeCrashLoop, c.field, c.crashText(exit), ir.SeverityError)
		}
	})
	if wait == 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *containerRun) crashText(exit process.Exit) string {
	text := fmt.Sprintf("container %q ends again and again, last with exit code %d", c.spec.Name, exit.Code)
	if exit.Err != nil {
		return text + ": " + exit.Err.Error()
	}
	if line := c.lastLine.Load(); line != nil {
		return text + "; its last words: " + *line
	}
	return text + " and without a word; a server must stay in the foreground"
}
