package dashboard

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"daemun/internal/store"
)

// podsPage is the list of the Pods of this machine.
type podsPage struct {
	Query  query
	Rows   []podRow
	Paging paging
	Total  int
}

// podRow is one Pod.
type podRow struct {
	Namespace, Name   string
	State             state
	Word              string
	Ready, Containers int
	Restarts          int32
	Started           time.Time
	Address, Node     string
}

// Link is where the Pod is shown.
func (r podRow) Link() string { return "/pods/" + r.Namespace + "/" + r.Name }

// podPage is everything about one Pod.
type podPage struct {
	podRow
	Workload   string
	Containers []containerRow
	Conditions []corev1.PodCondition
	// Container is whose log is shown, Log are its last lines.
	Container string
	Log       string
	LogNote   string
}

// containerRow is one container.
type containerRow struct {
	Name, Image, Kind string
	State             state
	Word, Note        string
	Restarts          int32
	Probes            []string
	LogLink           string
	Current           bool
}

// logLines is how much of a log is shown.
const logLines = 200

func (d *Dashboard) pods(r *http.Request) (*page, error) {
	if d.Log == nil {
		return nil, noPods()
	}
	v, view := &podsPage{Query: queryOf(r)}, d.View()
	v.Total = len(view.Pods)
	var rows []podRow
	for _, name := range slices.SortedFunc(maps.Keys(view.Pods), compareNames) {
		if row := newPodRow(view.Pods[name]); v.Query.finds(name.Namespace+"/"+name.Name, row.Word, row.Address, row.Node) {
			rows = append(rows, row)
		}
	}
	slices.SortStableFunc(rows, func(a, b podRow) int { return cmp.Compare(b.State/fail, a.State/fail) }) // the failing ones first
	v.Rows, v.Paging = paginate(r, rows)
	return &page{template: "pods", Title: "Pods", section: "Pods", Body: v}, nil
}

func noPods() error {
	return &failure{http.StatusNotFound, "The Pods of a cluster are not here", "This Daemun runs in a cluster: kubectl shows its Pods and their logs."}
}

func newPodRow(p *corev1.Pod) podRow {
	r := podRow{Namespace: p.Namespace, Name: p.Name, Address: p.Status.PodIP, Node: p.Spec.NodeName, Containers: len(p.Spec.Containers)}
	if p.Status.StartTime != nil {
		r.Started = p.Status.StartTime.Time
	}
	for _, c := range p.Status.ContainerStatuses {
		r.Restarts += c.RestartCount
		if c.Ready {
			r.Ready++
		}
	}
	r.State, r.Word = podState(p)
	return r
}

// podState says how a Pod is, in the words of kubectl.
func podState(p *corev1.Pod) (state, string) {
	if p.DeletionTimestamp != nil {
		return warn, "being stopped"
	}
	switch p.Status.Phase {
	case corev1.PodSucceeded:
		return idle, "completed"
	case corev1.PodFailed:
		return fail, cmp.Or(p.Status.Reason, "failed")
	}
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		switch w, t := c.State.Waiting, c.State.Terminated; {
		case w != nil && w.Reason != "" && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing":
			if last := c.LastTerminationState.Terminated; last != nil {
				return fail, fmt.Sprintf("%s: container %s ended with code %d", w.Reason, c.Name, last.ExitCode)
			}
			return fail, fmt.Sprintf("%s: container %s", w.Reason, c.Name)
		case t != nil && t.ExitCode != 0:
			return fail, fmt.Sprintf("container %s ended with code %d", c.Name, t.ExitCode)
		}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return ok, "ready"
		}
	}
	if p.Status.Phase == corev1.PodRunning {
		return warn, "running, not ready"
	}
	return warn, strings.ToLower(string(cmp.Or(p.Status.Phase, corev1.PodPending)))
}

func (d *Dashboard) pod(r *http.Request) (*page, error) {
	if d.Log == nil {
		return nil, noPods()
	}
	name := store.Name{Namespace: r.PathValue("ns"), Name: r.PathValue("name")}
	p := d.View().Pods[name]
	if p == nil {
		return nil, &failure{http.StatusNotFound, fmt.Sprintf("There is no Pod %s/%s", name.Namespace, name.Name), "It may have been replaced by another one: look among the Pods."}
	}
	v := &podPage{podRow: newPodRow(p), Conditions: p.Status.Conditions, Container: r.URL.Query().Get("container")}
	for _, o := range p.OwnerReferences {
		v.Workload = o.Kind + " " + o.Name
	}
	v.Containers = containersOf(p)
	known := false
	for i := range v.Containers {
		c := &v.Containers[i]
		if v.Container == "" && c.Kind == "" {
			v.Container = c.Name
		}
		c.LogLink = link(v.Link(), "container", c.Name)
		c.Current = c.Name == v.Container
		known = known || c.Current
	}
	if !known {
		return nil, &failure{http.StatusNotFound, fmt.Sprintf("Pod %s has no container %q", name.Name, v.Container), "Choose one of those that the page of the Pod names."}
	}
	text, err := d.Log(name, v.Container, logLines)
	switch {
	case err != nil:
		v.LogNote = "The log cannot be read: " + err.Error()
	case len(text) == 0:
		v.LogNote = "The container has written nothing yet."
	default:
		v.Log = strings.ToValidUTF8(string(text), "\uFFFD")
	}
	return &page{template: "pod", Title: name.Namespace + "/" + name.Name, section: "Pods", Body: v}, nil
}

func containersOf(p *corev1.Pod) []containerRow {
	status := map[string]corev1.ContainerStatus{}
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		status[c.Name] = c
	}
	var rows []containerRow
	for i, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		r := containerRow{Name: c.Name, Image: c.Image, Probes: probesOf(&c)}
		if i < len(p.Spec.InitContainers) {
			r.Kind = "init"
		}
		s := status[c.Name]
		r.Restarts = s.RestartCount
		r.State, r.Word = containerState(s)
		if last := s.LastTerminationState.Terminated; last != nil {
			r.Note = fmt.Sprintf("last ended with code %d", last.ExitCode)
			if !last.FinishedAt.IsZero() {
				r.Note += " at " + last.FinishedAt.UTC().Format("15:04:05") + " UTC"
			}
		}
		rows = append(rows, r)
	}
	return rows
}

func containerState(s corev1.ContainerStatus) (state, string) {
	switch st := s.State; {
	case st.Running != nil && s.Ready:
		return ok, "running, ready"
	case st.Running != nil:
		return warn, "running, not ready"
	case st.Waiting != nil && st.Waiting.Reason != "" && st.Waiting.Reason != "ContainerCreating" && st.Waiting.Reason != "PodInitializing":
		return fail, "waiting: " + st.Waiting.Reason
	case st.Terminated != nil && st.Terminated.ExitCode != 0:
		return fail, fmt.Sprintf("ended with code %d", st.Terminated.ExitCode)
	case st.Terminated != nil:
		return idle, "completed"
	}
	return warn, "not started yet"
}

// probesOf says in words what is probed.
func probesOf(c *corev1.Container) []string {
	var list []string
	for _, p := range []struct {
		name  string
		probe *corev1.Probe
	}{{"startup", c.StartupProbe}, {"readiness", c.ReadinessProbe}, {"liveness", c.LivenessProbe}} {
		if p.probe == nil {
			continue
		}
		list = append(list, fmt.Sprintf("%s: %s every %d s", p.name, probeAction(p.probe), max(p.probe.PeriodSeconds, 1)))
	}
	return list
}

func probeAction(p *corev1.Probe) string {
	switch {
	case p.HTTPGet != nil:
		return fmt.Sprintf("GET %s on port %s", cmp.Or(p.HTTPGet.Path, "/"), p.HTTPGet.Port.String())
	case p.TCPSocket != nil:
		return "connect to port " + p.TCPSocket.Port.String()
	case p.GRPC != nil:
		return fmt.Sprintf("gRPC health on port %d", p.GRPC.Port)
	case p.Exec != nil:
		return "run a command" // its arguments may hold anything
	}
	return "nothing"
}
