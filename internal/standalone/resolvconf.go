package standalone

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"daemun/internal/resolvconf"
)

// Bounds of a resolver configuration (services §10.3).
const (
	maxNameServers  = 3
	maxSearches     = 32
	maxSearchLength = 2048 // characters of the whole list
)

// forming is a part of a Pod's names that is not used, and why.
type forming struct{ field, message string }

// asksCluster says whether a Pod wants names of the cluster.
func asksCluster(spec *corev1.PodSpec) bool {
	switch spec.DNSPolicy {
	case corev1.DNSNone, corev1.DNSDefault:
		return false
	case corev1.DNSClusterFirstWithHostNet:
		return true
	}
	return !spec.HostNetwork
}

// podResolvConf is a Pod's resolver configuration by its policy (services
// §10.3). server is the cluster's name server; without one, "", Pods of the
// cluster's policies keep the machine's configuration, node.
func podResolvConf(pod *corev1.Pod, zone, server string, node resolvconf.Config) (resolvconf.Config, []forming) {
	spec := &pod.Spec
	r := node
	switch {
	case spec.DNSPolicy == corev1.DNSNone:
		r = resolvconf.Config{}
	case asksCluster(spec) && server != "":
		r = resolvconf.Config{Servers: []string{server}, Searches: clusterSearches(pod.Namespace, zone, node), Options: []string{"ndots:5"}}
	}
	r, wrong := merge(r, spec.DNSConfig)
	if spec.DNSPolicy == corev1.DNSNone && len(r.Servers) == 0 {
		wrong = append(wrong, forming{"spec.dnsConfig.nameservers", "dnsPolicy None needs at least one name server; without one no name is looked up anywhere"})
	}
	if !r.Equal(node) { // the machine's own is not judged
		var cut []forming
		r, cut = fit(r)
		wrong = append(wrong, cut...)
	}
	return r, wrong
}

func clusterSearches(namespace, zone string, node resolvconf.Config) []string {
	return appendNew([]string{namespace + ".svc." + zone, "svc." + zone, zone}, node.Searches)
}

// merge adds a Pod's dnsConfig: servers and searches are appended, options
// replace those of their name.
func merge(r resolvconf.Config, c *corev1.PodDNSConfig) (resolvconf.Config, []forming) {
	if c == nil {
		return r, nil
	}
	var wrong []forming
	good := func(field, value string, ok bool) bool {
		if !ok || !resolvconf.IsWord(value) {
			wrong = append(wrong, forming{"spec.dnsConfig." + field, fmt.Sprintf("%q is left out: want an IP address as name server, and search domains and options of one word", value)})
			return false
		}
		return true
	}
	var servers, searches []string
	for i, s := range c.Nameservers {
		if _, err := netip.ParseAddr(s); good(fmt.Sprintf("nameservers[%d]", i), s, err == nil) {
			servers = append(servers, s)
		}
	}
	for i, s := range c.Searches {
		if good(fmt.Sprintf("searches[%d]", i), s, true) {
			searches = append(searches, s)
		}
	}
	options := slices.Clone(r.Options)
	for i, o := range c.Options {
		text := o.Name
		if o.Value != nil && *o.Value != "" {
			text += ":" + *o.Value
		}
		if !good(fmt.Sprintf("options[%d]", i), text, o.Name != "") {
			continue
		}
		options = slices.DeleteFunc(options, func(old string) bool { name, _, _ := strings.Cut(old, ":"); return name == o.Name })
		options = append(options, text)
	}
	return resolvconf.Config{Servers: appendNew(r.Servers, servers), Searches: appendNew(r.Searches, searches), Options: options}, wrong
}

// fit cuts what resolvers do not take.
func fit(r resolvconf.Config) (resolvconf.Config, []forming) {
	var wrong []forming
	if n := len(r.Servers); n > maxNameServers {
		r.Servers = r.Servers[:maxNameServers]
		wrong = append(wrong, forming{"spec.dnsConfig.nameservers", fmt.Sprintf("%d name servers, of which resolvers take %d: used are %s", n, maxNameServers, strings.Join(r.Servers, ", "))})
	}
	n, length := 0, -1
	for _, s := range r.Searches {
		if length += 1 + len(s); n == maxSearches || length > maxSearchLength {
			break
		}
		n++
	}
	if all := len(r.Searches); n < all {
		r.Searches = r.Searches[:n]
		wrong = append(wrong, forming{"spec.dnsConfig.searches", fmt.Sprintf("%d search domains, of which %d are used: at most %d with %d characters, the machine's own included", all, n, maxSearches, maxSearchLength)})
	}
	return r, wrong
}

// appendNew is a new list without doubles.
func appendNew(list, more []string) []string {
	out := make([]string, 0, len(list)+len(more))
	for _, s := range slices.Concat(list, more) {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
