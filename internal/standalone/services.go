package standalone

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"daemun/internal/ir"
	"daemun/internal/store"
)

// kubernetesService is the name of the API server's Service: programs expect
// its variables in their environment.
var kubernetesService = store.Name{Namespace: metav1.NamespaceDefault, Name: "kubernetes"}

// services gives Services what a cluster would: ClusterIPs. The control
// goroutine owns it.
type services struct {
	addresses *addressRange
	held      map[store.Name]netip.Addr
	derived   map[store.Name]derivedService
	problems  map[store.Name]ir.Problem
}

type derivedService struct{ from, to *corev1.Service }

func newServices(network netip.Prefix) *services {
	return &services{
		addresses: newAddressRange(network), held: map[store.Name]netip.Addr{},
		derived: map[store.Name]derivedService{}, problems: map[store.Name]ir.Problem{},
	}
}

// needsClusterIP says whether a Service is to have an address (services §1.1).
func needsClusterIP(s *corev1.Service) bool {
	return s.Spec.Type != corev1.ServiceTypeExternalName && s.Spec.ClusterIP != corev1.ClusterIPNone
}

// hasClusterIP says whether it has one.
func hasClusterIP(s *corev1.Service) bool { return needsClusterIP(s) && s.Spec.ClusterIP != "" }

// update brings addresses in line with the wanted Services and returns all
// Services as the cluster shows them. Unchanged Services keep their object.
func (a *services) update(wanted map[store.Name]*corev1.Service) map[store.Name]*corev1.Service {
	if wanted[kubernetesService] == nil {
		wanted = maps.Clone(wanted)
		if wanted == nil {
			wanted = map[store.Name]*corev1.Service{}
		}
		wanted[kubernetesService] = a.defaultKubernetes()
	}
	a.releaseOld(wanted)
	// Explicit requests go first: a dynamic choice must never take an address
	// that a manifest names.
	names := slices.SortedFunc(maps.Keys(wanted), func(x, y store.Name) int {
		return cmp.Or(cmp.Compare(boolRank(a.asks(wanted[x]) == ""), boolRank(a.asks(wanted[y]) == "")),
			cmp.Compare(x.Namespace, y.Namespace), cmp.Compare(x.Name, y.Name))
	})
	out := make(map[store.Name]*corev1.Service, len(wanted))
	for _, name := range names {
		out[name] = a.derive(name, wanted[name])
		a.moved(name, wanted[name], out[name])
	}
	return out
}

// asks returns the address that a Service wants, "" when any will do. An address
// of another network is that of a cluster the manifest was written for or read
// from.
func (a *services) asks(s *corev1.Service) string {
	if address, err := netip.ParseAddr(s.Spec.ClusterIP); err == nil && !a.addresses.prefix.Contains(address) {
		return ""
	}
	return s.Spec.ClusterIP
}

// moved tells the author of a manifest, but not the reader of a cluster, that
// the Service has another address here.
func (a *services) moved(name store.Name, from, to *corev1.Service) {
	if from.Spec.ClusterIP == "" || a.asks(from) != "" || !needsClusterIP(from) || to.Spec.ClusterIP == "" || exported(from) {
		return
	}
	a.problems[name] = ir.Problem{
		Code: CodeAddress, Severity: ir.SeverityWarning, Object: refOf(store.Key{Kind: "Service", Namespace: name.Namespace, Name: name.Name}), Field: "spec.clusterIP",
		Message: fmt.Sprintf("%s is not in the service network %s, so the Service has %s here; leave the field out or choose an address of that network",
			from.Spec.ClusterIP, a.addresses.prefix, to.Spec.ClusterIP),
	}
}

// defaultKubernetes keeps one object, so that nothing changes when nothing
// changed.
func (a *services) defaultKubernetes() *corev1.Service {
	if d, ok := a.derived[kubernetesService]; ok && d.from.Labels["provider"] == "kubernetes" && d.from.UID == "" {
		return d.from
	}
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: kubernetesService.Namespace, Name: kubernetesService.Name,
			Labels: map[string]string{"component": "apiserver", "provider": "kubernetes"},
		},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeClusterIP, ClusterIP: a.addresses.at(0).String(),
			Ports: []corev1.ServicePort{{Name: "https", Protocol: corev1.ProtocolTCP, Port: 443, TargetPort: intstr.FromInt32(6443)}},
		},
	}
}

// releaseOld gives back the addresses of Services that are gone or that no
// longer want what they hold.
func (a *services) releaseOld(wanted map[store.Name]*corev1.Service) {
	for name, address := range a.held {
		s := wanted[name]
		if s != nil && needsClusterIP(s) && (a.asks(s) == "" || a.asks(s) == address.String()) {
			continue
		}
		a.addresses.release(address)
		delete(a.held, name)
		delete(a.derived, name)
	}
	for name := range a.derived {
		if wanted[name] == nil {
			delete(a.derived, name)
		}
	}
	clear(a.problems)
}

func (a *services) derive(name store.Name, s *corev1.Service) *corev1.Service {
	d, known := a.derived[name]
	if known && d.from == s && (!needsClusterIP(s) || d.to.Spec.ClusterIP != "") {
		return d.to
	}
	out := s.DeepCopy()
	defaultPorts(out)
	if out.Spec.Type == "" {
		out.Spec.Type = corev1.ServiceTypeClusterIP
	}
	if out.CreationTimestamp.IsZero() {
		out.CreationTimestamp = metav1.Now()
		if known {
			out.CreationTimestamp = d.to.CreationTimestamp
		}
	}
	if needsClusterIP(out) {
		a.assign(name, out)
	}
	a.derived[name] = derivedService{s, out}
	return out
}

func (a *services) assign(name store.Name, s *corev1.Service) {
	address, held := a.held[name]
	if !held {
		var err error
		if wanted := a.asks(s); wanted != "" {
			address, err = a.addresses.explicit(wanted)
		} else {
			address, err = a.addresses.dynamic(name.Namespace + "/" + name.Name)
		}
		if err != nil {
			// The API server would refuse the whole Service. Ingress does not
			// need the address, so here the rest of the Service works.
			s.Spec.ClusterIP, s.Spec.ClusterIPs = "", nil
			a.problems[name] = ir.Problem{
				Code: CodeAddress, Severity: ir.SeverityError, Object: refOf(store.Key{Kind: "Service", Namespace: name.Namespace, Name: name.Name}),
				Field: "spec.clusterIP", Message: err.Error() + "; the Service has no cluster IP",
			}
			return
		}
		a.held[name] = address
	}
	s.Spec.ClusterIP = address.String()
	s.Spec.ClusterIPs = []string{address.String()}
	s.Spec.IPFamilies = []corev1.IPFamily{corev1.IPv4Protocol}
	if s.Spec.IPFamilyPolicy == nil {
		single := corev1.IPFamilyPolicySingleStack
		s.Spec.IPFamilyPolicy = &single
	}
}

func defaultPorts(s *corev1.Service) {
	for i := range s.Spec.Ports {
		p := &s.Spec.Ports[i]
		if p.Protocol == "" {
			p.Protocol = corev1.ProtocolTCP
		}
		if p.TargetPort == (intstr.IntOrString{}) {
			p.TargetPort = intstr.FromInt32(p.Port)
		}
	}
}
