package standalone

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"daemun/internal/ir"
	"daemun/internal/store"
)

// judge says what a Service does not have although it was written, and what it
// has otherwise than written. The API server would refuse some of these
// Services; here the rest of the Service works.
func (a *services) judge(from, to *corev1.Service, demands []*demand) (out []ir.Problem) {
	report := func(code string, severity ir.Severity, field, format string, args ...any) {
		out = append(out, ir.Problem{
			Code: code, Severity: severity, Object: refOf(store.Key{Kind: "Service", Namespace: from.Namespace, Name: from.Name}),
			Field: field, Message: fmt.Sprintf(format, args...),
		})
	}
	for _, d := range demands {
		if d.got != none || d.content && d.asked == none && d.refusal == "" {
			continue
		}
		w := wants[d.what]
		severity := ir.SeverityError
		if d.what == wantBalancerIP && d.refusal != "" {
			// Right for the cluster that the manifest was written for.
			severity = ir.SeverityWarning
		}
		report(w.code, severity, d.field(), "%s; %s", a.reason(d), w.loss)
	}
	if from.Spec.ClusterIP != to.Spec.ClusterIP && hasClusterIP(from) && hasClusterIP(to) && !exported(from) {
		report(CodeAddress, ir.SeverityWarning, "spec.clusterIP",
			"%s is not in the service network %s, so the Service has %s here; leave the field out or choose an address of that network",
			from.Spec.ClusterIP, a.network.prefix, to.Spec.ClusterIP)
	}
	if field := wantsIPv6(from); field != "" && !exported(from) {
		report(CodeAddress, ir.SeverityWarning, field, "this cluster has no IPv6, so the Service has IPv4 only; write ipFamilyPolicy: PreferDualStack, or leave it out")
	}
	if isBalanced(from) && !isOwnClass(from) {
		report(CodeBalancer, ir.SeverityNotice, "spec.loadBalancerClass",
			"%s is another load balancer's class, so the Service gets no address here; leave the field out or write %s", *from.Spec.LoadBalancerClass, ownClass)
	}
	for i := range to.Spec.Ports {
		if to.Spec.Ports[i].Protocol == corev1.ProtocolSCTP {
			report(CodeIgnored, ir.SeverityNotice, fmt.Sprintf("spec.ports[%d].protocol", i), "SCTP is not served: only TCP and UDP reach Pods through a Service")
		}
	}
	return out
}

// wants is what each kind of demand is called, and what its loss means.
var wants = [...]struct {
	code, field, all, loss string
}{
	wantClusterIP:       {CodeAddress, "spec.clusterIP", "addresses of the service network", "the Service has no cluster IP"},
	wantNodePort:        {CodeNodePort, "", "node ports", "the port has no node port"},
	wantHealthCheckPort: {CodeNodePort, "spec.healthCheckNodePort", "node ports", "the Service has no health check port"},
	wantBalancerIP:      {CodeBalancer, "", "addresses of the load-balancer network", "the Service is pending"},
}

func (d *demand) field() string {
	switch d.what {
	case wantNodePort:
		return fmt.Sprintf("spec.ports[%d].nodePort", d.index)
	case wantBalancerIP:
		if field, text := balancerRequest(d.svc); text != "" {
			return field
		}
		return "spec.type"
	}
	return wants[d.what].field
}

// reason says why a demand got nothing.
func (a *services) reason(d *demand) string {
	switch {
	case d.refusal != "":
		return d.refusal
	case d.asked == none:
		return fmt.Sprintf("all %s are in use (%s)", wants[d.what].all, a.rangeOf(d))
	case d.rival == nil:
		return fmt.Sprintf("%s is not to be had", a.spell(d))
	}
	rival := d.rival.owner
	text := fmt.Sprintf("%s is in use by Service %s/%s", a.spell(d), rival.Namespace, rival.Name)
	if d.what == wantBalancerIP {
		return text + "; choose another, or leave it out; " + unshared(d.svc, d.rival.svc)
	}
	return text + "; leave the field out or choose a free one of " + a.rangeOf(d)
}

// spell writes the number that was asked for.
func (a *services) spell(d *demand) string {
	switch d.what {
	case wantClusterIP:
		return a.network.at(uint64(d.asked)).String()
	case wantBalancerIP:
		return a.balancers.at(uint64(d.asked)).String()
	}
	return fmt.Sprint(FirstNodePort + d.asked)
}

func (a *services) rangeOf(d *demand) string {
	switch d.what {
	case wantClusterIP:
		return a.network.prefix.String()
	case wantBalancerIP:
		return a.balancers.prefix.String()
	}
	return fmt.Sprintf("%d to %d", FirstNodePort, LastNodePort)
}

// wantsIPv6 names the field with which a Service insists on IPv6. Endpoints of
// headless Services without selector are the user's, of any family.
func wantsIPv6(s *corev1.Service) string {
	switch {
	case s.Spec.Type == corev1.ServiceTypeExternalName || s.Spec.ClusterIP == corev1.ClusterIPNone && len(s.Spec.Selector) == 0:
	case s.Spec.IPFamilyPolicy != nil && *s.Spec.IPFamilyPolicy == corev1.IPFamilyPolicyRequireDualStack:
		return "spec.ipFamilyPolicy"
	case slices.Index(s.Spec.IPFamilies, corev1.IPv6Protocol) == 0:
		return "spec.ipFamilies[0]"
	}
	return ""
}
