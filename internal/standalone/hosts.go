package standalone

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"daemun/internal/resolvconf"
	"daemun/internal/store"
)

// podHosts is a Pod's /etc/hosts (services §10.4): its own names and its
// hostAliases. machine is that file of the machine, which a Pod with
// hostNetwork keeps.
func podHosts(pod *corev1.Pod, zone, machine string) (string, []forming) {
	var b strings.Builder
	if pod.Spec.HostNetwork {
		b.WriteString(strings.TrimRight(machine, "\n") + "\n")
	} else {
		b.WriteString("# Written by Daemun for this Pod.\n" +
			"127.0.0.1\tlocalhost\n" +
			"::1\tlocalhost ip6-localhost ip6-loopback\n" +
			"fe00::0\tip6-localnet\n" +
			"fe00::0\tip6-mcastprefix\n" +
			"fe00::1\tip6-allnodes\n" +
			"fe00::2\tip6-allrouters\n")
		writeHost(&b, pod.Status.PodIP, podFQDN(pod, zone), podHostname(pod))
	}
	var wrong []forming
	for i, a := range pod.Spec.HostAliases {
		field := fmt.Sprintf("spec.hostAliases[%d]", i)
		if _, err := netip.ParseAddr(a.IP); err != nil || !resolvconf.IsWord(a.IP) {
			wrong = append(wrong, forming{field + ".ip", fmt.Sprintf("%q is no IP address; the alias is left out", a.IP)})
			continue
		}
		names := slices.Clone(a.Hostnames)
		names = slices.DeleteFunc(names, func(n string) bool { return !resolvconf.IsWord(n) })
		if len(names) < len(a.Hostnames) {
			wrong = append(wrong, forming{field + ".hostnames", "names that are not one word are left out"})
		}
		if len(names) > 0 {
			writeHost(&b, a.IP, names...)
		}
	}
	return b.String(), wrong
}

// writeHost writes one line; empty names are left out.
func writeHost(b *strings.Builder, address string, names ...string) {
	names = slices.DeleteFunc(names, func(n string) bool { return n == "" })
	b.WriteString(address + "\t" + strings.Join(names, " ") + "\n")
}

// podHostname is what a Pod takes for its host name, cut as a cluster cuts it.
func podHostname(pod *corev1.Pod) string {
	name := cmp.Or(pod.Spec.Hostname, pod.Name)
	return strings.TrimRight(name[:min(len(name), 63)], "-.")
}

// podFQDN is empty for a Pod without subdomain.
func podFQDN(pod *corev1.Pod, zone string) string {
	if pod.Spec.Subdomain == "" {
		return ""
	}
	return podHostname(pod) + "." + pod.Spec.Subdomain + "." + pod.Namespace + ".svc." + zone
}

// kernelHostname is the name that a Pod's programs are told by the kernel;
// "" is the machine's.
func kernelHostname(pod *corev1.Pod, zone string) (string, []forming) {
	if pod.Spec.HostNetwork {
		return "", nil
	}
	name, fqdn := podHostname(pod), podFQDN(pod, zone)
	if pod.Spec.SetHostnameAsFQDN == nil || !*pod.Spec.SetHostnameAsFQDN || fqdn == "" {
		return name, nil
	}
	if len(fqdn) > 64 {
		return name, []forming{{"spec.setHostnameAsFQDN", fmt.Sprintf("%s has more than the 64 characters that the kernel takes as host name; it is %s", fqdn, name)}}
	}
	return fqdn, nil
}

// Bounds of the Services in one /etc/hosts: programs read the whole file for
// every name they look up.
const (
	maxServiceLines      = 2000
	maxHeadlessAddresses = 32 // of one Service
)

// serviceHosts lists the names of the Services as seen from one namespace, for
// machines where nobody can answer on port 53: a cluster IP, or for a headless
// Service its ready endpoints. leftOut counts the Services over the bound. An
// ExternalName has no address that could stand here.
func serviceHosts(v *store.View, namespace, zone string) (text string, leftOut int) {
	var names []store.Name
	for name := range v.Services {
		if isPlainName(name.Namespace) && isPlainName(name.Name) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b store.Name) int {
		return cmp.Or(cmp.Compare(boolRank(b.Namespace == namespace), boolRank(a.Namespace == namespace)),
			cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	var b strings.Builder
	room := maxServiceLines
	for _, name := range names {
		lines := serviceLines(v, name, namespace, zone)
		if len(lines) > room {
			leftOut++
			continue
		}
		room -= len(lines)
		for _, l := range lines {
			b.WriteString(l)
		}
	}
	return b.String(), leftOut
}

func serviceLines(v *store.View, name store.Name, from, zone string) (lines []string) {
	s := v.Services[name]
	add := func(address, host string) {
		lines = append(lines, address+"\t"+serviceNames(host, name, from, zone)+"\n")
	}
	switch {
	case hasClusterIP(s):
		add(s.Spec.ClusterIP, "")
		return lines
	case s.Spec.Type == corev1.ServiceTypeExternalName:
		return nil
	}
	for _, e := range readyEndpoints(v.SlicesOf(name)) {
		add(e.Addresses[0], "")
		if e.Hostname != nil && isPlainName(*e.Hostname) {
			add(e.Addresses[0], *e.Hostname)
		}
	}
	return lines
}

// readyEndpoints are the first of the ready endpoints; each has an address.
func readyEndpoints(list []*discoveryv1.EndpointSlice) (out []discoveryv1.Endpoint) {
	for _, slice := range list {
		for _, e := range slice.Endpoints {
			if len(e.Addresses) == 0 || e.Conditions.Ready != nil && !*e.Conditions.Ready {
				continue
			}
			_, err := netip.ParseAddr(e.Addresses[0])
			if err == nil && resolvconf.IsWord(e.Addresses[0]) && len(out) < maxHeadlessAddresses {
				out = append(out, e)
			}
		}
	}
	return out
}

// serviceNames are the names of a Service, or of a host of it, the full one
// first: it is what a reverse look-up gives.
func serviceNames(host string, s store.Name, from, zone string) string {
	name := s.Name
	if host != "" {
		name = host + "." + name
	}
	medium := name + "." + s.Namespace
	all := medium + ".svc." + zone + " " + medium + ".svc " + medium
	if s.Namespace == from {
		all += " " + name
	}
	return all
}
