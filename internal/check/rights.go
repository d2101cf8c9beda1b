package check

import (
	"context"
	"fmt"
	"strings"

	"daemun/internal/ir"
	"daemun/internal/kube"
)

// need is a rule of RBAC that a controller cannot do without.
type need struct {
	group, resource, subresource string
	verbs                        []string
	// own: in the namespace of the controller only. name is the only object of
	// it, or empty.
	own  bool
	name string
	// clusterWide: the kind has no namespace.
	clusterWide bool
	severity    ir.Severity
	// without says what there is not when it is missing.
	without string
}

// needs are what deploy/manifests/20-rbac.yaml grants, without what belongs to
// the webhook.
func needs(election string) []need {
	read := []string{"list", "watch"}
	return []need{
		{group: "networking.k8s.io", resource: "ingresses", verbs: read, severity: ir.SeverityError, without: "nothing is served"},
		{
			group: "networking.k8s.io", resource: "ingressclasses", verbs: read, clusterWide: true, severity: ir.SeverityWarning,
			without: "only the annotation kubernetes.io/ingress.class chooses Ingresses",
		},
		{resource: "services", verbs: read, severity: ir.SeverityError, without: "nothing is served"},
		{group: "discovery.k8s.io", resource: "endpointslices", verbs: read, severity: ir.SeverityError, without: "nothing is served"},
		{resource: "secrets", verbs: read, severity: ir.SeverityError, without: "nothing is served: certificates and passwords are not known"},
		{resource: "configmaps", verbs: read, severity: ir.SeverityError, without: "nothing is served: settings are not known"},
		{
			group: "networking.k8s.io", resource: "ingresses", subresource: "status", verbs: []string{"patch"}, severity: ir.SeverityWarning,
			without: "kubectl get ingress shows no address",
		},
		{resource: "events", verbs: []string{"create", "patch"}, severity: ir.SeverityWarning, without: "kubectl describe does not say what is wrong with an Ingress"},
		{
			group: "coordination.k8s.io", resource: "leases", verbs: []string{"get", "update"}, own: true, name: election, severity: ir.SeverityWarning,
			without: "no replica becomes leader, and nobody writes addresses and Events",
		},
		{
			group: "coordination.k8s.io", resource: "leases", verbs: []string{"create"}, own: true, severity: ir.SeverityWarning,
			without: "no replica becomes leader, and nobody writes addresses and Events",
		},
		{
			resource: "pods", verbs: []string{"get", "list"}, own: true, severity: ir.SeverityWarning,
			without: "the last replica does not know that it is the last, and addresses stay",
		},
	}
}

// Rights are whose rights are looked at, and for what.
type Rights struct {
	// Account is a service account, "NAMESPACE/NAME"; empty is whoever asks.
	Account string
	// Namespace is that of the controller, Watched the only one that it serves,
	// or empty.
	Namespace, Watched string
	// Election is the name of its Lease.
	Election string
	// May asks the API server.
	May func(ctx context.Context, account string, r kube.Right) (bool, error)
}

// Findings asks for each right.
func (r Rights) Findings(ctx context.Context) ([]ir.Problem, error) {
	var list []ir.Problem
	for _, n := range needs(r.Election) {
		var missing []string
		where := r.Watched
		switch {
		case n.own:
			where = r.Namespace
		case n.clusterWide:
			where = ""
		}
		for _, verb := range n.verbs {
			ok, err := r.May(ctx, r.Account, kube.Right{Verb: verb, Group: n.group, Resource: n.resource, Subresource: n.subresource, Name: n.name, Namespace: where})
			if err != nil {
				return nil, err
			}
			if !ok {
				missing = append(missing, verb)
			}
		}
		if len(missing) > 0 {
			list = append(list, r.finding(n, where, missing))
		}
	}
	return list, nil
}

func (r Rights) finding(n need, namespace string, verbs []string) ir.Problem {
	who := "you"
	if r.Account != "" {
		who = "the service account " + r.Account
	}
	resource := n.resource
	if n.subresource != "" {
		resource += "/" + n.subresource
	}
	role, where := "a ClusterRole", ""
	switch {
	case namespace != "":
		role, where = "a Role in namespace "+namespace, " in namespace "+namespace
	case !n.clusterWide:
		where = " in all namespaces"
	}
	rule := fmt.Sprintf("apiGroups: [%q], resources: [%s]", n.group, resource)
	if n.name != "" {
		rule += fmt.Sprintf(", resourceNames: [%s]", n.name)
	}
	all := strings.Join(verbs, ", ")
	return ir.Problem{
		Code: CodeRight, Severity: n.severity, Field: "rights",
		Message: fmt.Sprintf("%s may not %s %s%s, and without that %s: add {%s, verbs: [%s]} to %s", who, strings.Join(verbs, " and "), resource, where, n.without, rule, all, role),
	}
}
