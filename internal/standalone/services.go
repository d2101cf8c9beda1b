package standalone

import (
	"maps"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/ir"
	"daemun/internal/store"
)

// services gives Services what a cluster would: cluster IPs, node ports,
// addresses of load balancers. The control goroutine owns it.
//
// Every update settles all of it anew. What is held is an input like what the
// manifests ask for, so that nothing has to be given back, and what cannot be
// had now is there as soon as it can.
type services struct {
	network   *addressRange
	balancers *addressRange
	builtin   []*corev1.Service
	memory    *memory

	held     map[store.Name]grants
	derived  map[store.Name]derivedService
	problems map[store.Name][]ir.Problem
}

// grants are the numbers of one Service by the slot of their demand.
type grants map[string]int

type derivedService struct {
	from, to *corev1.Service
	grants   grants
}

func newServices(network, balancers netip.Prefix) *services {
	a := &services{
		network: newAddressRange(network), balancers: newAddressRange(balancers), memory: &memory{},
		problems: map[store.Name][]ir.Problem{},
	}
	a.builtin = builtinServices(a.network)
	return a
}

// needsClusterIP says whether a Service is to have an address (services §1.1).
func needsClusterIP(s *corev1.Service) bool {
	return s.Spec.Type != corev1.ServiceTypeExternalName && s.Spec.ClusterIP != corev1.ClusterIPNone
}

// hasClusterIP says whether it has one.
func hasClusterIP(s *corev1.Service) bool { return needsClusterIP(s) && s.Spec.ClusterIP != "" }

func isBalanced(s *corev1.Service) bool { return s.Spec.Type == corev1.ServiceTypeLoadBalancer }

func needsNodePorts(s *corev1.Service) bool {
	return s.Spec.Type == corev1.ServiceTypeNodePort || isBalanced(s)
}

// update brings everything in line with the wanted Services and returns all
// Services as the cluster shows them. Unchanged Services keep their object.
func (a *services) update(wanted map[store.Name]*corev1.Service) map[store.Name]*corev1.Service {
	wanted = withBuiltin(wanted, a.builtin)
	names := sortedNames(slices.Collect(maps.Keys(wanted)))
	demands := a.settle(names, wanted)
	held := make(map[store.Name]grants, len(names))
	derived := make(map[store.Name]derivedService, len(names))
	out := make(map[store.Name]*corev1.Service, len(names))
	clear(a.problems)
	for _, name := range names {
		held[name] = grantsOf(demands[name])
		derived[name] = a.derive(wanted[name], a.derived[name], demands[name], held[name])
		out[name] = derived[name].to
		if found := a.judge(wanted[name], out[name], demands[name]); len(found) > 0 {
			a.problems[name] = found
		}
	}
	a.held, a.derived = held, derived
	a.memory.learn(demands, held)
	return out
}

// settle gives the Services numbers. Every pool sees the demands in the order
// of names.
func (a *services) settle(names []store.Name, wanted map[store.Name]*corev1.Service) map[store.Name][]*demand {
	o := orders{
		services:  a,
		ips:       a.network.pool(bandOf(int(a.network.size)+2, 16, 256), exclusive),
		ports:     newPool(nodePorts, bandOf(nodePorts, 32, 128), oneNumberTwoProtocols),
		balancers: a.balancers.pool(0, oneAddressTwoServices),
	}
	byName := make(map[store.Name][]*demand, len(names))
	var all []*demand
	for _, name := range names {
		byName[name] = o.of(name, wanted[name])
		all = append(all, byName[name]...)
	}
	for _, p := range []*pool{o.ips, o.ports, o.balancers} {
		p.settle(all)
	}
	return byName
}

func grantsOf(demands []*demand) grants {
	out := make(grants, len(demands))
	for _, d := range demands {
		if d.got != none {
			out[d.slot] = d.got
		}
	}
	return out
}

// derive returns the Service as the cluster shows it: the last object while
// neither the manifest nor the grants have changed.
func (a *services) derive(s *corev1.Service, last derivedService, demands []*demand, g grants) derivedService {
	if last.from == s && maps.Equal(last.grants, g) {
		return last
	}
	out := s.DeepCopy()
	completeService(out)
	switch {
	case !out.CreationTimestamp.IsZero():
	case last.to != nil:
		out.CreationTimestamp = last.to.CreationTimestamp
	default:
		out.CreationTimestamp = metav1.Now()
	}
	for _, d := range demands {
		a.grant(out, d)
	}
	if store.NameOf(out) == dnsService && out.Labels[labelProxyName] == "" {
		if out.Labels == nil {
			out.Labels = map[string]string{}
		}
		out.Labels[labelProxyName] = dnsProxy
	}
	return derivedService{from: s, to: out, grants: g}
}

// grant writes what a demand got into its Service.
func (a *services) grant(out *corev1.Service, d *demand) {
	if d.got == none {
		return
	}
	switch d.what {
	case wantClusterIP:
		out.Spec.ClusterIP = a.network.at(uint64(d.got)).String()
		out.Spec.ClusterIPs = []string{out.Spec.ClusterIP}
	case wantNodePort:
		out.Spec.Ports[d.index].NodePort = FirstNodePort + int32(d.got)
	case wantHealthCheckPort:
		out.Spec.HealthCheckNodePort = FirstNodePort + int32(d.got)
	case wantBalancerIP:
		vip := corev1.LoadBalancerIPModeVIP
		out.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: a.balancers.at(uint64(d.got)).String(), IPMode: &vip}}
	}
}
