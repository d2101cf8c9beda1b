package standalone

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"daemun/internal/store"
)

func testServices() *services {
	return newServices(netip.MustParsePrefix("127.96.0.0/16"), netip.MustParsePrefix("127.200.0.0/29"))
}

// manifests are the Services of a test, in namespace default.
type manifests map[store.Name]*corev1.Service

func (m manifests) put(list ...*corev1.Service) manifests {
	for _, s := range list {
		m[store.NameOf(s)] = s
	}
	return m
}

func (m manifests) without(name string) manifests {
	out := maps.Clone(m)
	delete(out, store.Name{Namespace: "default", Name: name})
	return out
}

// svc makes a Service; change makes it special.
func svc(name string, change ...func(*corev1.Service)) *corev1.Service {
	s := service(name)
	for _, f := range change {
		f(s)
	}
	return s
}

func clusterIP(ip string) func(*corev1.Service) {
	return func(s *corev1.Service) { s.Spec.ClusterIP = ip }
}

func nodePort(ports ...int32) func(*corev1.Service) {
	return func(s *corev1.Service) {
		s.Spec.Type = corev1.ServiceTypeNodePort
		for i, p := range ports {
			s.Spec.Ports[i].NodePort = p
		}
	}
}

func balanced(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeLoadBalancer }

func external(s *corev1.Service) {
	s.Spec.Type, s.Spec.ExternalName = corev1.ServiceTypeExternalName, "example.com"
}

func local(s *corev1.Service) {
	s.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
}

func loadBalancerIP(ip string) func(*corev1.Service) {
	return func(s *corev1.Service) { s.Spec.LoadBalancerIP = ip }
}

func annotated(key, value string) func(*corev1.Service) {
	return func(s *corev1.Service) { s.Annotations = map[string]string{key: value} }
}

func port(name string, protocol corev1.Protocol, number int32) func(*corev1.Service) {
	return func(s *corev1.Service) {
		s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: name, Protocol: protocol, Port: number})
	}
}

func only(name string, protocol corev1.Protocol, number int32) func(*corev1.Service) {
	return func(s *corev1.Service) {
		s.Spec.Ports = []corev1.ServicePort{{Name: name, Protocol: protocol, Port: number}}
	}
}

func manualPorts(s *corev1.Service) {
	no := false
	s.Spec.AllocateLoadBalancerNodePorts = &no
}

// numbers spells what the Services of namespace default got:
// "name type clusterIP ports lb health".
func numbers(a *services, m manifests) string {
	out := a.update(m)
	var lines []string
	for _, name := range sortedNames(slices.Collect(maps.Keys(m))) {
		s := out[name]
		line := name.Name + " " + s.Spec.ClusterIP
		for _, p := range s.Spec.Ports {
			line += fmt.Sprintf(" %d", p.NodePort)
		}
		if s.Spec.HealthCheckNodePort != 0 {
			line += fmt.Sprintf(" health %d", s.Spec.HealthCheckNodePort)
		}
		for _, i := range s.Status.LoadBalancer.Ingress {
			line += " " + i.IP + " " + string(*i.IPMode)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func problemsOf(a *services) string {
	var lines []string
	for _, list := range a.problems {
		for _, p := range list {
			lines = append(lines, fmt.Sprintf("%s %s %s: %s: %s", p.Severity, p.Code, p.Object.Name, p.Field, p.Message))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func TestBands(t *testing.T) {
	t.Parallel()
	for prefix, band := range map[string]int{"10.0.0.0/28": 0, "10.0.0.0/24": 16, "10.0.0.0/20": 256, "10.0.0.0/16": 256} {
		r := newAddressRange(netip.MustParsePrefix(prefix))
		if got := bandOf(int(r.size)+2, 16, 256); got != band {
			t.Errorf("%s: lower band %d, want %d", prefix, got, band)
		}
	}
	if got := bandOf(nodePorts, 32, 128); got != 86 {
		t.Errorf("lower band of the node ports %d, want 86", got)
	}
}

// TestPoolPrefersTheUpperBand until that is full, then takes the lower one,
// then nothing.
func TestPoolPrefersTheUpperBand(t *testing.T) {
	t.Parallel()
	p := newPool(20, 16, exclusive)
	var all []*demand
	for i := range 21 {
		all = append(all, &demand{pool: p, key: fmt.Sprint(i), asked: none, held: none, remembered: none, got: none})
	}
	p.settle(all)
	upper, lower, nothing := 0, 0, 0
	seen := map[int]bool{}
	for i, d := range all {
		switch {
		case d.got == none:
			nothing++
		case seen[d.got]:
			t.Errorf("%d was given twice", d.got)
		case d.got >= 16:
			upper++
		default:
			lower++
			if i < 4 && p.natural(d) == d.got {
				t.Errorf("demand %d went to the lower band at once", i)
			}
		}
		seen[d.got] = true
	}
	if upper != 4 || lower != 16 || nothing != 1 {
		t.Errorf("upper %d, lower %d, nothing %d", upper, lower, nothing)
	}
}

func TestServiceAddresses(t *testing.T) {
	t.Parallel()
	m := manifests{}.put(svc("a"), svc("b", clusterIP("127.96.3.3")), svc("c", clusterIP("127.96.3.3")), svc("d", clusterIP("None")),
		svc("e", clusterIP("10.0.0.1")), svc("f", clusterIP("x")), svc("g", clusterIP("127.96.0.0")), svc("h", clusterIP("127.96.0.10")), svc("i", external))
	a := testServices()
	out := a.update(m)
	ip := func(name string) string { return out[store.Name{Namespace: "default", Name: name}].Spec.ClusterIP }
	if ip("b") != "127.96.3.3" || ip("c")+ip("f")+ip("g")+ip("h")+ip("i") != "" || ip("d") != "None" || !strings.HasPrefix(ip("e"), "127.96.") || ip("a") == "" {
		t.Errorf("addresses: a=%s b=%s c=%s d=%s e=%s", ip("a"), ip("b"), ip("c"), ip("d"), ip("e"))
	}
	if out[kubernetesService].Spec.ClusterIP != "127.96.0.1" || out[dnsService].Spec.ClusterIP != "127.96.0.10" {
		t.Errorf("built-in Services: %s, %s", out[kubernetesService].Spec.ClusterIP, out[dnsService].Spec.ClusterIP)
	}
	if got := a.update(m); !maps.Equal(got, out) {
		t.Error("an update without change made new objects")
	}
	want := "error DMN0504 c: spec.clusterIP: 127.96.3.3 is in use by Service default/b; leave the field out or choose a free one of 127.96.0.0/16; the Service has no cluster IP\n" +
		"error DMN0504 f: spec.clusterIP: \"x\" is no IP address; leave the field out or write an address of 127.96.0.0/16; the Service has no cluster IP\n" +
		"error DMN0504 g: spec.clusterIP: 127.96.0.0 is not a usable address of the service network 127.96.0.0/16; leave the field out or choose one of that network; the Service has no cluster IP\n" +
		"error DMN0504 h: spec.clusterIP: 127.96.0.10 is in use by Service kube-system/kube-dns; leave the field out or choose a free one of 127.96.0.0/16; the Service has no cluster IP\n" +
		"warning DMN0504 e: spec.clusterIP: 10.0.0.1 is not in the service network 127.96.0.0/16, so the Service has " + ip("e") + " here; leave the field out or choose an address of that network"
	if d := cmp.Diff(want, problemsOf(a)); d != "" {
		t.Error(d)
	}
	first := ip("a")
	if out = a.update(m.without("b")); ip("a") != first || ip("c") != "127.96.3.3" {
		t.Errorf("after b is gone: a=%s (was %s) c=%s", ip("a"), first, ip("c"))
	}
	if b := testServices(); b.update(m)[store.Name{Namespace: "default", Name: "a"}].Spec.ClusterIP != first {
		t.Error("a new start gives another address")
	}
}

// TestBuiltinServicesOfManifests: a manifest may define them; without an
// address of this network they have the usual one.
func TestBuiltinServicesOfManifests(t *testing.T) {
	t.Parallel()
	dns := svc("kube-dns", clusterIP("10.96.0.10"))
	dns.Namespace = "kube-system"
	a := testServices()
	if got := a.update(manifests{}.put(dns))[dnsService]; got.Spec.ClusterIP != "127.96.0.10" || got.Labels["app"] != "kube-dns" || got.Labels[labelProxyName] != "daemun-dns" {
		t.Errorf("%+v", got)
	}
	if got := a.update(nil)[dnsService]; got.Labels[labelProxyName] != "daemun-dns" || got.Labels["k8s-app"] != "kube-dns" || len(got.Spec.Ports) != 2 {
		t.Errorf("built-in: %+v", got)
	}
	tiny := newServices(netip.MustParsePrefix("127.96.0.0/29"), netip.MustParsePrefix("127.200.0.0/29"))
	if out := tiny.update(nil); len(out) != 1 {
		t.Errorf("a network without a tenth address has %d Services", len(out))
	}
}

func TestNodePorts(t *testing.T) {
	t.Parallel()
	dns := []func(*corev1.Service){only("dns", corev1.ProtocolUDP, 53), port("dns-tcp", corev1.ProtocolTCP, 53), nodePort()}
	for name, c := range map[string]struct {
		services []*corev1.Service
		want     string // %N is any dynamic number, equal for equal N
		problems string
	}{
		"ClusterIP has none": {
			[]*corev1.Service{svc("a", clusterIP("None")), svc("b", clusterIP("None"), nodePort(30080), func(s *corev1.Service) { s.Spec.Type = "" })},
			"a None 0\nb None 0", "",
		},
		"asked for": {[]*corev1.Service{svc("a", clusterIP("127.96.0.2"), nodePort(30080))}, "a 127.96.0.2 30080", ""},
		"both protocols of a number share": {
			[]*corev1.Service{svc("a", append(dns, clusterIP("127.96.0.2"))...)}, "a 127.96.0.2 %1 %1", "",
		},
		"the one that is asked for leads": {
			[]*corev1.Service{svc("a", append(dns, clusterIP("127.96.0.2"), nodePort(0, 30053))...)}, "a 127.96.0.2 30053 30053", "",
		},
		"two Services do not share": {
			[]*corev1.Service{svc("a", clusterIP("127.96.0.2"), nodePort(30053)), svc("b", clusterIP("127.96.0.3"), only("u", corev1.ProtocolUDP, 53), nodePort(30053))},
			"a 127.96.0.2 30053\nb 127.96.0.3 0",
			"error DMN0520 b: spec.ports[0].nodePort: 30053 is in use by Service default/a; leave the field out or choose a free one of 30000 to 32767; the port has no node port",
		},
		"out of the range": {
			[]*corev1.Service{svc("a", clusterIP("127.96.0.2"), nodePort(8080))},
			"a 127.96.0.2 0",
			"error DMN0520 a: spec.ports[0].nodePort: 8080 is no node port; leave the field out or choose a number from 30000 to 32767; the port has no node port",
		},
		"health check port": {
			[]*corev1.Service{svc("a", clusterIP("127.96.0.2"), nodePort(30001), balanced, local, loadBalancerIP("127.200.0.2"), func(s *corev1.Service) { s.Spec.HealthCheckNodePort = 30002 })},
			"a 127.96.0.2 30001 health 30002 127.200.0.2 VIP", "",
		},
		"health check port is one of the pool": {
			[]*corev1.Service{
				svc("a", clusterIP("127.96.0.2"), nodePort(30001), balanced, local, loadBalancerIP("127.200.0.2"), func(s *corev1.Service) { s.Spec.HealthCheckNodePort = 30002 }),
				svc("b", clusterIP("127.96.0.3"), nodePort(30002)),
			},
			"a 127.96.0.2 30001 health 30002 127.200.0.2 VIP\nb 127.96.0.3 0",
			"error DMN0520 b: spec.ports[0].nodePort: 30002 is in use by Service default/a; leave the field out or choose a free one of 30000 to 32767; the port has no node port",
		},
		"none that nobody asked for": {
			[]*corev1.Service{svc("a", clusterIP("127.96.0.2"), port("x", corev1.ProtocolTCP, 81), balanced, manualPorts, nodePort(0, 30081), balanced, loadBalancerIP("127.200.0.2"))},
			"a 127.96.0.2 0 30081 127.200.0.2 VIP", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := testServices()
			got := numbers(a, manifests{}.put(c.services...))
			if strings.Contains(c.want, "%1") {
				var dynamic int
				if _, err := fmt.Sscanf(got, "a 127.96.0.2 %d", &dynamic); err != nil || dynamic < 30086 || dynamic > 32767 {
					t.Errorf("%s: the dynamic number is not in the upper band (%v)", got, err)
				}
				c.want = strings.ReplaceAll(c.want, "%1", fmt.Sprint(dynamic))
			}
			if got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
			if d := cmp.Diff(c.problems, problemsOf(a)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestNodePortIsFreeAtOnce(t *testing.T) {
	t.Parallel()
	a := testServices()
	m := manifests{}.put(svc("a", clusterIP("None"), nodePort(30080)), svc("b", clusterIP("None"), nodePort(30080)))
	if got := numbers(a, m); got != "a None 30080\nb None 0" {
		t.Fatal(got)
	}
	if got := numbers(a, m.without("a")); got != "b None 30080" || problemsOf(a) != "" {
		t.Errorf("after a is gone: %s %s", got, problemsOf(a))
	}
	if got := numbers(a, m); got != "a None 0\nb None 30080" {
		t.Errorf("who holds it keeps it: %s", got)
	}
}

func TestAllNodePortsInUse(t *testing.T) {
	t.Parallel()
	m := manifests{}
	for i := range nodePorts + 1 {
		m.put(svc(fmt.Sprintf("s%04d", i), nodePort()))
	}
	a := testServices()
	seen := map[int32]bool{}
	for _, s := range a.update(m) {
		if p := s.Spec.Ports[0].NodePort; p != 0 {
			seen[p] = true
		}
	}
	if len(seen) != nodePorts {
		t.Errorf("%d different node ports", len(seen))
	}
	if got := problemsOf(a); !strings.HasSuffix(got, ": all node ports are in use (30000 to 32767); the port has no node port") || strings.Contains(got, "\n") {
		t.Error(got)
	}
}

// TestManualNodePortsKeepWhatTheyHold: services §1.6.
func TestManualNodePortsKeepWhatTheyHold(t *testing.T) {
	t.Parallel()
	a := testServices()
	auto := manifests{}.put(svc("a", balanced))
	before := numbers(a, auto)
	manual := manifests{}.put(svc("a", balanced, manualPorts))
	if got := numbers(a, manual); got != before {
		t.Errorf("automatic off: %s, want %s", got, before)
	}
	// A new start remembers it.
	again := testServices()
	again.memory = &memory{noted: a.memory.noted}
	if got := numbers(again, manual); got != before {
		t.Errorf("automatic off, new start: %s, want %s", got, before)
	}
	fresh := testServices()
	if got := numbers(fresh, manual); !strings.Contains(got, " 0 127.200.0.") {
		t.Errorf("automatic off from the beginning: %s", got)
	}
	if got := numbers(fresh, auto); strings.Contains(got, " 0 ") {
		t.Errorf("automatic on: %s", got)
	}
}

// TestTypesInPlace: services §1.4.
func TestTypesInPlace(t *testing.T) {
	t.Parallel()
	a := testServices()
	show := func(change ...func(*corev1.Service)) *corev1.Service {
		return a.update(manifests{}.put(svc("a", change...)))[store.Name{Namespace: "default", Name: "a"}]
	}
	s := show(external)
	if s.Spec.ClusterIP != "" || s.Spec.ClusterIPs != nil || s.Spec.IPFamilies != nil || s.Spec.IPFamilyPolicy != nil {
		t.Errorf("ExternalName: %+v", s.Spec)
	}
	plain := show()
	ip := plain.Spec.ClusterIP
	if ip == "" || !slices.Equal(plain.Spec.ClusterIPs, []string{ip}) || !slices.Equal(plain.Spec.IPFamilies, []corev1.IPFamily{"IPv4"}) || plain.Spec.ExternalTrafficPolicy != "" || *plain.Spec.IPFamilyPolicy != "SingleStack" {
		t.Errorf("ClusterIP: %+v", plain.Spec)
	}
	full := show(balanced, local)
	if full.Spec.ClusterIP != ip || full.Spec.Ports[0].NodePort == 0 || full.Spec.HealthCheckNodePort == 0 || len(full.Status.LoadBalancer.Ingress) != 1 || !*full.Spec.AllocateLoadBalancerNodePorts {
		t.Errorf("LoadBalancer: %+v", full)
	}
	if cluster := show(balanced); cluster.Spec.HealthCheckNodePort != 0 || cluster.Spec.ExternalTrafficPolicy != "Cluster" || cluster.Status.LoadBalancer.Ingress[0].IP != full.Status.LoadBalancer.Ingress[0].IP {
		t.Errorf("policy Cluster: %+v", cluster)
	}
	np := show(nodePort())
	if np.Spec.Ports[0].NodePort != full.Spec.Ports[0].NodePort || len(np.Status.LoadBalancer.Ingress) != 0 || np.Spec.AllocateLoadBalancerNodePorts != nil {
		t.Errorf("NodePort: %+v", np)
	}
	stale := func(s *corev1.Service) { // what the last type left in the file
		class := "x/y"
		s.Spec.Ports[0].NodePort, s.Spec.HealthCheckNodePort, s.Spec.LoadBalancerClass = 30080, 30081, &class
		s.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
		s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.1"}}
	}
	back := show(stale)
	back.CreationTimestamp = plain.CreationTimestamp
	if d := cmp.Diff(plain, back); d != "" {
		t.Errorf("ClusterIP again: %s", d)
	}
	if s := show(func(s *corev1.Service) { s.Spec.ExternalIPs = []string{"127.0.0.9"} }); s.Spec.ExternalTrafficPolicy != "Cluster" {
		t.Errorf("with external IPs: %+v", s.Spec)
	}
	if s := show(external); s.Spec.ClusterIP != "" || s.Spec.Ports[0].NodePort != 0 {
		t.Errorf("ExternalName again: %+v", s.Spec)
	}
	headless := show(clusterIP("None"), func(s *corev1.Service) { s.Spec.Selector = nil })
	if *headless.Spec.IPFamilyPolicy != "RequireDualStack" || len(headless.Spec.IPFamilies) != 2 || !slices.Equal(headless.Spec.ClusterIPs, []string{"None"}) {
		t.Errorf("headless without selector: %+v", headless.Spec)
	}
}

func TestServiceNotices(t *testing.T) {
	t.Parallel()
	require := corev1.IPFamilyPolicyRequireDualStack
	a := testServices()
	a.update(manifests{}.put(
		svc("a", port("s", corev1.ProtocolSCTP, 9)),
		svc("b", func(s *corev1.Service) { s.Spec.IPFamilyPolicy = &require }),
		svc("c", func(s *corev1.Service) { s.Spec.IPFamilies = []corev1.IPFamily{"IPv6"} }),
		svc("d", clusterIP("None"), func(s *corev1.Service) { s.Spec.Selector, s.Spec.IPFamilyPolicy = nil, &require }),
	))
	want := "notice DMN0512 a: spec.ports[1].protocol: SCTP is not served: only TCP and UDP reach Pods through a Service\n" +
		"warning DMN0504 b: spec.ipFamilyPolicy: this cluster has no IPv6, so the Service has IPv4 only; write ipFamilyPolicy: PreferDualStack, or leave it out\n" +
		"warning DMN0504 c: spec.ipFamilies[0]: this cluster has no IPv6, so the Service has IPv4 only; write ipFamilyPolicy: PreferDualStack, or leave it out"
	if d := cmp.Diff(want, problemsOf(a)); d != "" {
		t.Error(d)
	}
}
