package standalone

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"daemun/internal/ir"
	"daemun/internal/process"
	"daemun/internal/store"
)

// host is what Pods find on their machine.
type host struct {
	cfg    *Config
	rt     starter
	view   func() *store.View
	report func(types.UID, report)
	// published returns when the present step is in the store.
	published func()
	// services wakes who lists the addresses of Services.
	services bell
}

// bell wakes everybody who listens, with each ring. The zero value is ready.
type bell struct {
	mu   sync.Mutex
	next chan struct{}
}

// news is closed at the next ring. It must be taken before looking.
func (b *bell) news() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		b.next = make(chan struct{})
	}
	return b.next
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next != nil {
		close(b.next)
		b.next = nil
	}
}

// report is the present state of one Pod, from its worker to the control
// goroutine.
type report struct {
	status   corev1.PodStatus
	problems []ir.Problem
	done     bool // no container runs any more, and none will
}

// worker runs one Pod from its volumes to its last container. Its goroutines
// are one for the Pod, two that keep files up to date, one for each running container and its probes; all end
// before the report that says done.
type worker struct {
	host   *host
	pod    *corev1.Pod // spec and addresses; never written
	object ir.Ref      // the manifest object the Pod comes from
	prefix string      // of fields in that object: "", "spec.template."

	stop context.Context // ends: stop gracefully
	kill context.Context // ends: stop at once

	names podNames // written before the first container starts

	mu          sync.Mutex // guards what follows
	changed     chan struct{}
	init        []*containerRun
	main        []*containerRun
	initialized bool
	done        bool
	problems    map[string]ir.Problem
	started     metav1.Time
}

func newWorker(h *host, e *podEntry) *worker {
	w := &worker{
		host: h, pod: e.pod, object: refOf(e.source), prefix: e.prefix,
		changed: make(chan struct{}), problems: map[string]ir.Problem{}, started: metav1.Now(),
	}
	for i := range e.pod.Spec.InitContainers {
		w.init = append(w.init, newContainerRun(w, &e.pod.Spec.InitContainers[i], "initContainers", i))
	}
	for i := range e.pod.Spec.Containers {
		w.main = append(w.main, newContainerRun(w, &e.pod.Spec.Containers[i], "containers", i))
	}
	return w
}

// run is the life of the Pod. It returns when everything has ended.
func (w *worker) run() {
	var sidecars sync.WaitGroup
	sidecarStop, stopSidecars := context.WithCancel(context.Background())
	defer func() {
		stopSidecars()
		sidecars.Wait()
		w.update(func() { w.done = true })
	}()
	w.update(func() {})
	if !w.prepareVolumes() {
		return
	}
	w.prepareNames()
	following, unfollow := context.WithCancel(w.stop)
	var followers sync.WaitGroup
	defer func() {
		unfollow()
		followers.Wait()
	}()
	followers.Go(func() { w.followServices(following) })
	if !w.runInit(sidecarStop, &sidecars) {
		return
	}
	w.update(func() { w.initialized = true })
	followers.Go(func() { w.followVolumes(following) })
	var mains sync.WaitGroup
	for _, c := range w.main {
		mains.Go(func() { c.run(w.stop) })
	}
	mains.Wait()
}

// runInit runs the init containers in order: each until it succeeds, a sidecar
// until it has started. It reports whether the Pod goes on.
func (w *worker) runInit(sidecarStop context.Context, sidecars *sync.WaitGroup) bool {
	for _, c := range w.init {
		if isSidecar(c.spec) {
			sidecars.Go(func() { c.run(sidecarStop) })
			select {
			case <-c.startedOnce:
			case <-w.stop.Done():
				return false
			}
			continue
		}
		if code, ended := c.run(w.stop); !ended || code != 0 {
			return false
		}
	}
	return w.stop.Err() == nil
}

// update changes the state under the lock and reports the new one.
func (w *worker) update(change func()) {
	w.mu.Lock()
	change()
	r := w.snapshot()
	// Inside the lock, so that reports arrive in the order of the changes; the
	// mailbox only stores.
	w.host.report(w.pod.UID, r)
	w.mu.Unlock()
}

// notify wakes whoever waits for another ConfigMap, Secret or Service.
func (w *worker) notify() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.changed)
	w.changed = make(chan struct{})
}

// news is closed at the next notify. It must be taken before looking.
func (w *worker) news() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

// problemLocked sets, or with an empty message clears, one problem of the Pod.
// It needs mu.
func (w *worker) problemLocked(code, field, message string, severity ir.Severity) {
	key := code + " " + field
	if message == "" {
		delete(w.problems, key)
		return
	}
	w.problems[key] = ir.Problem{Code: code, Severity: severity, Object: w.object, Field: w.prefix + field, Message: message}
}

// folder is the Pod's own on disk; only its UID, made here, names it (H9.6).
func (w *worker) folder() string { return podFolder(w.host.cfg.StateDir, w.pod.UID) }

func podFolder(state string, uid types.UID) string { return filepath.Join(state, "pods", string(uid)) }

func logPath(state string, uid types.UID, container string) string {
	return filepath.Join(podFolder(state, uid), pathName(container)+".log")
}

// prepareVolumes fills the Pod's volumes; it waits for what is missing and
// reports false when the Pod was stopped meanwhile.
func (w *worker) prepareVolumes() bool {
	for {
		news := w.news()
		m, err := w.makeVolumes()
		if m == nil && err == nil {
			return true
		}
		w.update(func() {
			clear(w.problems)
			if m != nil {
				w.problemLocked(CodeMissingRef, "spec."+m.field, m.text, ir.SeverityWarning)
			} else {
				w.problemLocked(CodeVolume, "spec.volumes", err.Error(), ir.SeverityError)
			}
			for _, c := range append(w.init[:len(w.init):len(w.init)], w.main...) {
				c.waitingLocked("ContainerCreating", "volumes are not ready")
			}
		})
		select {
		case <-news:
		case <-w.stop.Done():
			return false
		}
		w.update(func() { clear(w.problems) })
	}
}

// cleanup removes what the Pod had on disk, when it is gone from the cluster.
func cleanup(state string, uid types.UID) error {
	if uid == "" || state == "" {
		return nil
	}
	err := os.RemoveAll(podFolder(state, uid))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// spec resolves everything a container needs to start as of now.
func (w *worker) spec(c *containerRun) (process.Spec, *stuck) {
	env, m := containerEnv(w.pod, c.spec, w.host.view())
	if m != nil {
		return process.Spec{}, &stuck{"CreateContainerConfigError", CodeMissingRef, c.field + "." + m.field, m.text}
	}
	w.names.setIn(env)
	argv, hint := w.host.cfg.argv(c.spec, env)
	if hint != "" {
		return process.Spec{}, &stuck{"ErrImageNeverPull", CodeImage, c.field + ".image", hint}
	}
	mounts, err := w.mounts(c.spec, env)
	if err != nil {
		return process.Spec{}, &stuck{"CreateContainerConfigError", CodeVolume, c.field + ".volumeMounts", err.Error()}
	}
	if ok, _ := w.host.rt.Mounts(); !ok {
		for _, m := range c.spec.VolumeMounts {
			env.set("DAEMUN_VOLUME_"+variableName(m.Name), w.volumePath(m.Name))
		}
		mounts = nil
	}
	pod, name := store.NameOf(w.pod), c.spec.Name
	return process.Spec{
		ID: fmt.Sprintf("%s/%s/%s", pod.Namespace, pod.Name, name), Argv: argv, Env: env.list(),
		WorkingDir: c.spec.WorkingDir, Mounts: mounts, Optional: w.names.optionalMounts(c.spec.VolumeMounts), Hostname: w.names.hostname,
		Log: logPath(w.host.cfg.StateDir, w.pod.UID, name),
		Output: func(stream string, line []byte) {
			c.remember(line)
			if w.host.cfg.Output != nil {
				w.host.cfg.Output(pod, name, stream, line)
			}
		},
	}, nil
}

// stuck says why a container cannot be started, in a cluster's words, and how
// to mend it.
type stuck struct{ reason, code, field, message string }

// grace is how long a container has to end after SIGTERM.
func (w *worker) grace() time.Duration {
	seconds := int64(30)
	if g := w.pod.Spec.TerminationGracePeriodSeconds; g != nil {
		seconds = *g
	}
	return time.Duration(max(seconds, 0)) * time.Second
}

// restarts says whether a container that ended with code is to run again: a
// sidecar always, an init container until it succeeded unless the Pod's policy
// is Never, others as the policy says.
func (w *worker) restarts(c *containerRun, code int) bool {
	if isSidecar(c.spec) {
		return true
	}
	switch cmp.Or(w.pod.Spec.RestartPolicy, corev1.RestartPolicyAlways) {
	case corev1.RestartPolicyNever:
		return false
	case corev1.RestartPolicyOnFailure:
		return code != 0
	}
	return !c.isInit() || code != 0
}
