package standalone

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"daemun/internal/store"
)

// TestSettlementInvariants changes random Services a thousand times: no number
// is given twice, nothing that a Service holds is taken from it, and nobody
// goes without while there are numbers left.
func TestSettlementInvariants(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 7))
	a, m := testServices(), manifests{}
	before := map[store.Name]*corev1.Service{}
	for range 1000 {
		name := fmt.Sprint("s", random.IntN(12))
		if random.IntN(4) == 0 {
			m = m.without(name)
		} else {
			m = maps.Clone(m).put(randomService(random, name))
		}
		out := a.update(m)
		unique(t, out)
		for n, s := range out {
			was := before[n]
			if was == nil || m[n] == nil {
				continue
			}
			asked := m[n].Spec.ClusterIP
			if hasClusterIP(was) && needsClusterIP(s) && was.Spec.ClusterIP != s.Spec.ClusterIP && (asked == "" || asked == was.Spec.ClusterIP) {
				t.Fatalf("%v: cluster IP %s became %s", n, was.Spec.ClusterIP, s.Spec.ClusterIP)
			}
			if needsClusterIP(s) && s.Spec.ClusterIP == "" && asked == "" {
				t.Fatalf("%v has no cluster IP", n)
			}
		}
		before = out
	}
}

// randomService wants something of everything, sometimes what others want too.
func randomService(random *rand.Rand, name string) *corev1.Service {
	s := svc(name, port("dns", corev1.ProtocolUDP, 53), port("dns-tcp", corev1.ProtocolTCP, 53))
	types := []corev1.ServiceType{corev1.ServiceTypeClusterIP, corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeExternalName}
	s.Spec.Type = types[random.IntN(len(types))]
	if random.IntN(3) == 0 {
		s.Spec.ClusterIP = fmt.Sprint("127.96.0.", 1+random.IntN(12))
	}
	for i := range s.Spec.Ports {
		if random.IntN(3) == 0 {
			s.Spec.Ports[i].NodePort = int32(30000 + random.IntN(8))
		}
	}
	if random.IntN(3) == 0 {
		local(s)
	}
	if random.IntN(3) == 0 {
		s.Annotations = map[string]string{annotationSharedIP: "all"}
		s.Spec.Ports = s.Spec.Ports[:1]
		s.Spec.Ports[0].Port = int32(1 + random.IntN(4))
	}
	return s
}

// unique checks that nothing has two owners.
func unique(t *testing.T, all map[store.Name]*corev1.Service) {
	t.Helper()
	ips, ports, balancers := map[string]store.Name{}, map[int32]store.Name{}, map[string][]*corev1.Service{}
	own := func(number int32, name store.Name) {
		if other, taken := ports[number]; taken && other != name {
			t.Fatalf("%v and %v have node port %d", other, name, number)
		}
		ports[number] = name
	}
	for name, s := range all {
		if hasClusterIP(s) {
			if other, taken := ips[s.Spec.ClusterIP]; taken {
				t.Fatalf("%v and %v have %s", other, name, s.Spec.ClusterIP)
			}
			ips[s.Spec.ClusterIP] = name
		}
		seen := map[string]bool{}
		for _, p := range s.Spec.Ports {
			if p.NodePort == 0 {
				continue
			}
			own(p.NodePort, name)
			if id := fmt.Sprint(p.NodePort, p.Protocol); seen[id] || p.NodePort == s.Spec.HealthCheckNodePort {
				t.Fatalf("%v has node port %s twice", name, id)
			} else {
				seen[id] = true
			}
		}
		if n := s.Spec.HealthCheckNodePort; n != 0 {
			own(n, name)
		}
		for _, i := range s.Status.LoadBalancer.Ingress {
			for _, other := range balancers[i.IP] {
				if why := unshared(s, other); why != "" {
					t.Fatalf("%v and %v share %s: %s", name, store.NameOf(other), i.IP, why)
				}
			}
			balancers[i.IP] = append(balancers[i.IP], s)
		}
	}
}
