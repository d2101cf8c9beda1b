package standalone

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"daemun/internal/store"
)

// The Services that every cluster has. A manifest may define them itself.
var (
	// kubernetesService is that of the API server: programs expect its
	// variables in their environment.
	kubernetesService = store.Name{Namespace: metav1.NamespaceDefault, Name: "kubernetes"}
	// dnsService is that of the DNS server.
	dnsService = store.Name{Namespace: metav1.NamespaceSystem, Name: "kube-dns"}
)

const (
	labelProxyName = "service.kubernetes.io/service-proxy-name"
	// dnsProxy says that the DNS server answers on the address of its Service
	// itself, also where a manifest describes that of another program: names
	// must mean what is served here.
	dnsProxy = "daemun-dns"
)

func isBuiltin(name store.Name) bool { return builtinIndex(name) != none }

// dnsIndex is the place of the DNS server.
const dnsIndex = 9

// builtinIndex is the place that an address of the service network has by
// convention (services §2.1).
func builtinIndex(name store.Name) int {
	switch name {
	case kubernetesService:
		return 0
	case dnsService:
		return dnsIndex
	}
	return none
}

// withBuiltin adds the built-in Services that no manifest defines.
func withBuiltin(wanted map[store.Name]*corev1.Service, builtin []*corev1.Service) map[store.Name]*corev1.Service {
	out := make(map[store.Name]*corev1.Service, len(wanted)+len(builtin))
	for _, s := range builtin {
		out[store.NameOf(s)] = s
	}
	maps.Copy(out, wanted)
	return out
}

// builtinServices makes them, once: an object that stays the same is no
// change.
func builtinServices(network *addressRange) []*corev1.Service {
	api := builtinService(kubernetesService, map[string]string{"component": "apiserver", "provider": "kubernetes"},
		corev1.ServicePort{Name: "https", Protocol: corev1.ProtocolTCP, Port: 443, TargetPort: intstr.FromInt32(6443)})
	dns := builtinService(dnsService, map[string]string{"k8s-app": "kube-dns", labelProxyName: dnsProxy},
		corev1.ServicePort{Name: "dns", Protocol: corev1.ProtocolUDP, Port: 53, TargetPort: intstr.FromInt32(53)},
		corev1.ServicePort{Name: "dns-tcp", Protocol: corev1.ProtocolTCP, Port: 53, TargetPort: intstr.FromInt32(53)})
	var out []*corev1.Service
	for _, s := range []*corev1.Service{api, dns} {
		if builtinIndex(store.NameOf(s)) < int(network.size) {
			out = append(out, s)
		}
	}
	return out
}

func builtinService(name store.Name, labels map[string]string, ports ...corev1.ServicePort) *corev1.Service {
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name, Labels: labels},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, Ports: ports},
	}
}
