package explain

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"daemun/internal/ir"
	"daemun/internal/table"
)

// maxNamed bounds lists in hints.
const maxNamed = 5

// hint says what would have to be different for the request to reach a backend.
func (e *explanation) hint() string {
	r := e.route.IR
	switch {
	case strings.HasPrefix(e.Result, "200"), strings.HasPrefix(e.Result, "204"):
		return ""
	case strings.HasPrefix(e.Result, "403: the address lists"):
		return "ask from another address, or change the lists: see the policies"
	case strings.HasPrefix(e.Result, "401:"):
		return "send an Authorization header with a name and password of the Secret"
	case r.Denied != 0:
		return fmt.Sprintf("correct what the problems of %s name", r.Ingress)
	case e.toHTTPS:
		setting := "ssl-redirect"
		if r.ForceSSLRedirect {
			setting = "force-ssl-redirect"
		}
		return fmt.Sprintf("ask with https, or set the annotation %s/%s: \"false\"", e.Prefix, setting)
	case e.Trail.Rule == table.ByCatchAll && !e.reaches():
		return e.hostHint()
	case e.Trail.Winner >= 0 && e.Trail.Steps[e.Trail.Winner].Implicit && !e.reaches():
		return e.pathHint()
	case strings.HasPrefix(e.Result, "503: backend"):
		return e.logHint()
	}
	return ""
}

// logHint names the Pod whose own words tell why no endpoint is ready: one that
// has run and does not stay.
func (e *explanation) logHint() string {
	for _, end := range e.Endpoints {
		if pod := e.pod(end.Pod); pod != nil && spoke(pod) {
			return fmt.Sprintf("read what the Pod says: daemun logs -n %s %s (in a cluster: kubectl logs)", pod.Namespace, pod.Name)
		}
	}
	return ""
}

// spoke says that a container of the Pod has run.
func spoke(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool {
		return c.RestartCount > 0 || c.State.Running != nil || c.State.Terminated != nil
	})
}

// reaches says whether the request is forwarded somewhere.
func (e *explanation) reaches() bool { return e.Upstream != "" }

// hostHint names the hosts that are served.
func (e *explanation) hostHint() string {
	if ingress := e.unserved(); ingress.Name != "" {
		e.concerning(ingress, "")
		if len(e.Answer.Problems) == 0 {
			return fmt.Sprintf("%s has rules for this host, but its class %q is another controller's: name a class of this one", ingress, e.class(ingress))
		}
		return fmt.Sprintf("%s has rules for this host, but is not served: see its problems", ingress)
	}
	if near := e.Trail.NearHosts; len(near) > 0 {
		names := make([]string, 0, maxNamed)
		for _, n := range near[:min(len(near), maxNamed)] {
			names = append(names, n.Name)
		}
		return "did you mean " + strings.Join(names, " or ") + "?"
	}
	var hosts []string
	for h := range e.Table.Hosts() {
		if h.IR.Name != "" {
			hosts = append(hosts, h.IR.Name)
		}
	}
	if len(hosts) == 0 {
		return "no Ingress names a host: add a rule for this one"
	}
	return fmt.Sprintf("add a rule for this host, or ask for one that is served: %s", listed(hosts))
}

// unserved finds an Ingress that names the host of the request and has no part
// in the table: it was rejected, or belongs to another class.
func (e *explanation) unserved() ir.Ref {
	for _, name := range slices.SortedFunc(maps.Keys(e.View.Ingresses), compareNames) {
		for _, rule := range e.View.Ingresses[name].Spec.Rules {
			if rule.Host != "" && sameHost(rule.Host, e.Trail.Host) != "" {
				return ir.Ref{Kind: "Ingress", Namespace: name.Namespace, Name: name.Name}
			}
		}
	}
	return ir.Ref{}
}

// class is the class of an Ingress, as it is written.
func (e *explanation) class(ingress ir.Ref) string {
	object := e.ingress(ingress)
	if name := object.Spec.IngressClassName; name != nil {
		return *name
	}
	return object.Annotations["kubernetes.io/ingress.class"]
}

// pathHint names the paths of the host.
func (e *explanation) pathHint() string {
	var paths []string
	for _, s := range e.Trail.Steps {
		text := fmt.Sprintf("%s (%s)", s.Path, s.PathType)
		if !s.Implicit && !slices.Contains(paths, text) {
			paths = append(paths, text)
		}
	}
	if len(paths) == 0 {
		return "the rules of this host have no paths: add one"
	}
	return fmt.Sprintf("add a rule for this path, or ask for one that is served: %s", listed(paths))
}

func listed(names []string) string {
	if more := len(names) - maxNamed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), more)
	}
	return strings.Join(names, ", ")
}
