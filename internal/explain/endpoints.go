package explain

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"daemun/internal/ir"
	"daemun/internal/store"
	"daemun/internal/table"
	"daemun/internal/translate"
)

// Endpoint is one address of the backend.
type Endpoint struct {
	Address string `json:"address"` // "ip:port" or "name:port"
	// Pod is "namespace/name".
	Pod   string `json:"pod,omitempty"`
	Ready bool   `json:"ready"`
	// State is "ready", or why it is not.
	State string `json:"state"`
}

// endpoints lists what the data side uses, then what it leaves out.
func (e *explanation) endpoints(r *table.Route) []Endpoint {
	var list []Endpoint
	for _, s := range r.Backend.Status() {
		end := Endpoint{Address: s.Addr.String(), Pod: s.Pod, Ready: true, State: "ready"}
		if !s.Addr.IsValid() {
			end.Address = fmt.Sprintf("%s:%d", s.Host, s.Port)
			end.State = "external name, looked up at every connection"
		}
		if s.Failures > 0 {
			end.State += fmt.Sprintf(", %d of %d attempts failed", s.Failures, s.Requests)
		}
		list = append(list, end)
	}
	for _, u := range translate.Unready(e.View, backendOf(r.IR)) {
		why := "not ready"
		if pod := e.pod(u.Pod); pod != nil {
			why += ": " + podReason(pod)
		} else if u.Terminating {
			why += ": it is being stopped"
		}
		list = append(list, Endpoint{Address: u.Addr.String(), Pod: u.Pod, State: why})
	}
	return list
}

func backendOf(r *ir.Route) *ir.Backend {
	parts := strings.SplitN(string(r.Backend), "/", 3)
	for len(parts) < 3 {
		parts = append(parts, "")
	}
	return &ir.Backend{ID: r.Backend, Namespace: parts[0], Service: parts[1], Port: parts[2]}
}

func (e *explanation) pod(name string) *corev1.Pod {
	namespace, name, _ := strings.Cut(name, "/")
	return e.View.Pods[store.Name{Namespace: namespace, Name: name}]
}

// podReason says why a Pod is not ready.
func podReason(pod *corev1.Pod) string {
	if pod.DeletionTimestamp != nil {
		return "the Pod is being stopped"
	}
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		switch w, t := c.State.Waiting, c.State.Terminated; {
		case w != nil && w.Reason != "":
			return fmt.Sprintf("container %s waits (%s)", c.Name, w.Reason)
		case t != nil && t.ExitCode != 0:
			return fmt.Sprintf("container %s ended with code %d", c.Name, t.ExitCode)
		}
	}
	for _, c := range pod.Status.ContainerStatuses {
		if c.Ready {
			continue
		}
		i := slices.IndexFunc(pod.Spec.Containers, func(s corev1.Container) bool { return s.Name == c.Name })
		switch {
		case i >= 0 && pod.Spec.Containers[i].StartupProbe != nil && (c.Started == nil || !*c.Started):
			return fmt.Sprintf("the startup probe of container %s has not succeeded yet", c.Name)
		case i >= 0 && pod.Spec.Containers[i].ReadinessProbe != nil:
			return fmt.Sprintf("the readiness probe of container %s does not succeed", c.Name)
		}
		return fmt.Sprintf("container %s is not ready", c.Name)
	}
	for _, c := range pod.Status.Conditions {
		if c.Status == corev1.ConditionFalse && c.Message != "" {
			return c.Message
		}
	}
	return "the Pod is in phase " + string(pod.Status.Phase)
}

// whyNone says why a backend has no ready endpoint.
func (e *explanation) whyNone(r *ir.Route) string {
	b := backendOf(r)
	service := e.View.Services[store.Name{Namespace: b.Namespace, Name: b.Service}]
	if service == nil {
		return fmt.Sprintf("there is no Service %q in namespace %q", b.Service, b.Namespace)
	}
	unready := slices.DeleteFunc(slices.Clone(e.Endpoints), func(x Endpoint) bool { return x.Ready })
	switch {
	case len(unready) == 1:
		return fmt.Sprintf("its only endpoint %s is %s", unready[0].Address, unready[0].State)
	case len(unready) > 1:
		return fmt.Sprintf("none of its %d endpoints is ready; %s is %s", len(unready), unready[0].Address, unready[0].State)
	case service.Spec.Type == corev1.ServiceTypeExternalName:
		return "its external name cannot be used"
	case len(service.Spec.Selector) == 0:
		return "the Service has no selector, and no EndpointSlice or Endpoints object gives it an address"
	}
	return e.noPod(service, b.Port)
}

// noPod says why the selector of a Service finds nothing.
func (e *explanation) noPod(service *corev1.Service, port string) string {
	selector := labels.SelectorFromSet(service.Spec.Selector)
	var selected *corev1.Pod
	for name, pod := range e.View.Pods { // the first by name; there may be ten thousand
		if name.Namespace == service.Namespace && (selected == nil || name.Name < selected.Name) && selector.Matches(labels.Set(pod.Labels)) {
			selected = pod
		}
	}
	if selected == nil {
		return fmt.Sprintf("no Pod in namespace %q has the labels %s that the Service selects", service.Namespace, selector)
	}
	switch selected.Status.Phase {
	case corev1.PodSucceeded, corev1.PodFailed:
		return fmt.Sprintf("Pod %s, which it selects, has ended", selected.Name)
	}
	if selected.Status.PodIP == "" {
		return fmt.Sprintf("Pod %s, which it selects, has no address yet: %s", selected.Name, podReason(selected))
	}
	return fmt.Sprintf("Pod %s, which it selects, has no port for Service port %s: check the targetPort, and the names of the container ports", selected.Name, port)
}

func compareNames(a, b store.Name) int {
	return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
}
