package standalone

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"daemun/internal/manifest"
	"daemun/internal/process"
	"daemun/internal/store"
)

// fakeRuntime keeps the rules of process.Runtime: a container that starts
// twice at once is refused, signals end programs that do not ignore them, Done
// closes once. The program is argv[0]: "serve" runs until it is told to end,
// "stubborn" ignores SIGTERM, "ok" and "fail" end at once, "missing" does not
// start.
type fakeRuntime struct {
	noMounts bool
	leftOut  []string

	mu      sync.Mutex
	running map[string]*fakeProcess
	starts  []process.Spec
	ready   func(argv []string) bool // what exec probes see; nil: success
}

func (f *fakeRuntime) Mounts() (bool, string) { return !f.noMounts, "refused" }

func (f *fakeRuntime) Start(spec process.Spec) (container, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running == nil {
		f.running = map[string]*fakeProcess{}
	}
	if f.running[spec.ID] != nil {
		return nil, errors.New(spec.ID + " runs already")
	}
	if len(spec.Argv) == 0 || spec.Argv[0] == "missing" {
		return nil, &process.StartError{ID: spec.ID, Code: 127, Text: "program not found"}
	}
	f.starts = append(f.starts, spec)
	p := &fakeProcess{rt: f, spec: spec, done: make(chan struct{}), exit: process.Exit{Started: time.Now()}}
	f.running[spec.ID] = p
	switch spec.Argv[0] {
	case "ok":
		go p.end(0, nil)
	case "fail":
		spec.Output("stderr", []byte("cannot find the config"))
		go p.end(3, nil)
	}
	return p, nil
}

func (f *fakeRuntime) started(id string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, s := range f.starts {
		if s.ID == id {
			n++
		}
	}
	return n
}

func (f *fakeRuntime) get(id string) *fakeProcess {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.running[id]
}

type fakeProcess struct {
	rt   *fakeRuntime
	spec process.Spec
	done chan struct{}
	once sync.Once
	exit process.Exit
}

func (p *fakeProcess) end(code int, sig os.Signal) {
	p.once.Do(func() {
		p.rt.mu.Lock()
		delete(p.rt.running, p.spec.ID)
		p.rt.mu.Unlock()
		p.exit.Code, p.exit.Signal, p.exit.Finished = code, sig, time.Now()
		close(p.done)
	})
}

func (p *fakeProcess) Done() <-chan struct{} { return p.done }
func (p *fakeProcess) Exit() process.Exit    { return p.exit }
func (p *fakeProcess) LeftOut() []string     { return p.rt.leftOut }
func (p *fakeProcess) Kill()                 { p.end(137, syscall.SIGKILL) }
func (p *fakeProcess) Signal(s os.Signal) error {
	if p.spec.Argv[0] != "stubborn" {
		p.end(143, s)
	}
	return nil
}

func (p *fakeProcess) Exec(_ context.Context, argv []string, _ int) (int, []byte, error) {
	p.rt.mu.Lock()
	defer p.rt.mu.Unlock()
	if p.rt.ready != nil && !p.rt.ready(argv) {
		return 1, []byte("no"), nil
	}
	return 0, nil, nil
}

// lab is a cluster over a fake runtime, inside a synctest bubble.
type lab struct {
	*testing.T
	*Cluster
	rt    *fakeRuntime
	store *store.Store
	end   func()
}

// newLab starts a cluster with these objects; it ends with the test's body.
func newLab(t *testing.T, objects ...store.Object) *lab {
	t.Helper()
	return newLabWith(t, func(*fakeRuntime) {}, objects...)
}

func newLabWith(t *testing.T, prepare func(*fakeRuntime), objects ...store.Object) *lab {
	t.Helper()
	l := &lab{T: t, rt: &fakeRuntime{}, store: store.New()}
	prepare(l.rt)
	l.Cluster = newCluster(Config{Store: l.store, StateDir: t.TempDir(), Self: "serve"}, l.rt)
	l.Apply(manifest.Change{Put: objects})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Cluster.Run(ctx, nil) }()
	l.end = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	synctest.Wait()
	return l
}

func (l *lab) put(objects ...store.Object) {
	l.Apply(manifest.Change{Put: objects})
	synctest.Wait()
}

// wait lets time pass in the bubble.
func (l *lab) wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (l *lab) pods() []*corev1.Pod {
	var out []*corev1.Pod
	for _, p := range l.store.View().Pods {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *corev1.Pod) int { return slices.Compare([]string{a.Name}, []string{b.Name}) })
	return out
}

func (l *lab) pod(name string) *corev1.Pod {
	l.Helper()
	p := l.store.View().Pods[store.Name{Namespace: "default", Name: name}]
	if p == nil {
		l.Fatalf("no Pod %s", name)
	}
	return p
}

// endpoints are the conditions of a Service's endpoints: ready, unready,
// terminating.
func (l *lab) endpoints(service string) (ready, unready, terminating int) {
	return countEndpoints(l.store.View().SlicesOf(store.Name{Namespace: "default", Name: service}))
}

func countEndpoints(list []*discoveryv1.EndpointSlice) (ready, unready, terminating int) {
	for _, s := range list {
		for _, e := range s.Endpoints {
			switch {
			case *e.Conditions.Terminating:
				terminating++
			case *e.Conditions.Ready:
				ready++
			default:
				unready++
			}
		}
	}
	return ready, unready, terminating
}

func meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "default", Name: name, Labels: map[string]string{"app": name}}
}

func program(argv ...string) corev1.Container {
	return corev1.Container{Name: "main", Image: "whatever", Command: argv}
}

func podTemplate(app string, c ...corev1.Container) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": app}}, Spec: corev1.PodSpec{Containers: c}}
}

func deployment(name string, replicas int32, c ...corev1.Container) *appsv1.Deployment {
	d := &appsv1.Deployment{ObjectMeta: meta(name)}
	d.Spec.Replicas = &replicas
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
	d.Spec.Template = podTemplate(name, c...)
	return d
}

func service(name string) *corev1.Service {
	return &corev1.Service{ObjectMeta: meta(name), Spec: corev1.ServiceSpec{
		Selector: map[string]string{"app": name},
		Ports:    []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(8080)}},
	}}
}

func execProbe(period int32) *corev1.Probe {
	return &corev1.Probe{PeriodSeconds: period, ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"check"}}}}
}
