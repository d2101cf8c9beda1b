package kube

import (
	"fmt"
	"log/slog"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"daemun/internal/ir"
)

// CodeForbidden says that the service account lacks a permission.
const CodeForbidden = "DMN0802"

// health follows how requests to the API server fare, and says each change
// once.
type health struct {
	logger  *slog.Logger
	host    string
	failing map[*sink]error
	// since is when the first of those that fail now began to.
	since time.Time
	// complete: everything has been read once, and there is a configuration.
	complete bool
}

func newHealth(logger *slog.Logger, host string) health {
	return health{logger: logger, host: host, failing: map[*sink]error{}}
}

// heard notes the outcome of a request and reports whether it was forbidden.
func (h *health) heard(n *sink, err error) (forbidden bool) {
	before, was := h.failing[n]
	switch {
	case err == nil && was:
		delete(h.failing, n)
		if len(h.failing) == 0 {
			h.logger.Info("reading from the API server again", "host", h.host, "after", time.Since(h.since).Round(time.Millisecond))
			h.since = time.Time{}
		}
		return false
	case err == nil, apierrors.IsResourceExpired(err), apierrors.IsGone(err), apierrors.IsTooManyRequests(err), apierrors.IsInvalid(err):
		// Expected: the reflector lists again, waits, or does without what an
		// older API server does not know.
		return false
	}
	h.failing[n] = err
	forbidden = apierrors.IsForbidden(err)
	if len(h.failing) == 1 && !was {
		h.since = time.Now()
		if !forbidden {
			message := "cannot read from the API server; nothing is served before it answers"
			if h.complete {
				message = "cannot read from the API server; the last configuration stays in service"
			}
			h.logger.Warn(message, "host", h.host, "err", reason(err))
		}
	}
	if forbidden && (!was || !apierrors.IsForbidden(before)) {
		h.logger.Error("not allowed to read a kind; see the RBAC rules in docs/cluster.md", "kind", n.name, "namespace", n.selection.namespace, "err", reason(err))
	}
	return forbidden
}

// reason is what an error says, or what is known of one that says nothing: the
// status that an API server sends may have no message.
func reason(err error) string {
	text := err.Error()
	if text == "" {
		text = string(apierrors.ReasonForError(err))
	}
	if text == "" {
		text = fmt.Sprintf("%T without a message", err)
	}
	return text
}

func (h *health) problems() (list []ir.Problem) {
	for n, err := range h.failing {
		if !apierrors.IsForbidden(err) {
			continue
		}
		where := "in all namespaces"
		if n.selection.namespace != "" {
			where = "in namespace " + n.selection.namespace
		}
		p := ir.Problem{
			Code: CodeForbidden, Severity: ir.SeverityError,
			Message: fmt.Sprintf("the service account may not list and watch %s %s; grant it (docs/cluster.md has the rules)", n.resource, where),
		}
		if n.name == "IngressClass" {
			p.Severity = ir.SeverityWarning
			p.Message += "; until then only the annotation kubernetes.io/ingress.class chooses Ingresses"
		}
		list = append(list, p)
	}
	return list
}
