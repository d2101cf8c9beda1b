package standalone

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Bounds of a resolver configuration (services §10.3).
const (
	maxNameServers  = 3
	maxSearches     = 32
	maxSearchLength = 2048 // characters of the whole list
)

// resolvConf is what a resolv.conf says.
type resolvConf struct{ servers, searches, options []string }

// parseResolvConf reads the file as resolvers do: of several search lists the
// last counts, domain is a list of one, what it does not know is passed over.
func parseResolvConf(text string) (r resolvConf) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 || !plainWord(f[0]) {
			continue
		}
		values := slices.DeleteFunc(f[1:], func(v string) bool { return !plainWord(v) })
		switch f[0] {
		case "nameserver":
			r.servers = append(r.servers, values[:min(1, len(values))]...)
		case "domain":
			r.searches = values[:min(1, len(values))]
		case "search":
			r.searches = values
		case "options":
			r.options = append(r.options, values...)
		}
	}
	return r
}

// String is the text of the file.
func (r resolvConf) String() string {
	var b strings.Builder
	for _, s := range r.servers {
		fmt.Fprintf(&b, "nameserver %s\n", s)
	}
	if len(r.searches) > 0 {
		fmt.Fprintf(&b, "search %s\n", strings.Join(r.searches, " "))
	}
	if len(r.options) > 0 {
		fmt.Fprintf(&b, "options %s\n", strings.Join(r.options, " "))
	}
	return b.String()
}

func (r resolvConf) equal(o resolvConf) bool {
	return slices.Equal(r.servers, o.servers) && slices.Equal(r.searches, o.searches) && slices.Equal(r.options, o.options)
}

// plainWord says whether a value is one word of a configuration file: an
// object's value with a blank or a line end would become another setting.
func plainWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '#' || r == ';' })
}

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
func podResolvConf(pod *corev1.Pod, zone, server string, node resolvConf) (resolvConf, []forming) {
	spec := &pod.Spec
	r := node
	switch {
	case spec.DNSPolicy == corev1.DNSNone:
		r = resolvConf{}
	case asksCluster(spec) && server != "":
		r = resolvConf{servers: []string{server}, searches: clusterSearches(pod.Namespace, zone, node), options: []string{"ndots:5"}}
	}
	r, wrong := r.merge(spec.DNSConfig)
	if spec.DNSPolicy == corev1.DNSNone && len(r.servers) == 0 {
		wrong = append(wrong, forming{"spec.dnsConfig.nameservers", "dnsPolicy None needs at least one name server; without one no name is looked up anywhere"})
	}
	if !r.equal(node) { // the machine's own is not judged
		var cut []forming
		r, cut = r.fit()
		wrong = append(wrong, cut...)
	}
	return r, wrong
}

func clusterSearches(namespace, zone string, node resolvConf) []string {
	return appendNew([]string{namespace + ".svc." + zone, "svc." + zone, zone}, node.searches)
}

// merge adds a Pod's dnsConfig: servers and searches are appended, options
// replace those of their name.
func (r resolvConf) merge(c *corev1.PodDNSConfig) (resolvConf, []forming) {
	if c == nil {
		return r, nil
	}
	var wrong []forming
	good := func(field, value string, ok bool) bool {
		if !ok || !plainWord(value) {
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
	options := slices.Clone(r.options)
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
	return resolvConf{appendNew(r.servers, servers), appendNew(r.searches, searches), options}, wrong
}

// fit cuts what resolvers do not take.
func (r resolvConf) fit() (resolvConf, []forming) {
	var wrong []forming
	if n := len(r.servers); n > maxNameServers {
		r.servers = r.servers[:maxNameServers]
		wrong = append(wrong, forming{"spec.dnsConfig.nameservers", fmt.Sprintf("%d name servers, of which resolvers take %d: used are %s", n, maxNameServers, strings.Join(r.servers, ", "))})
	}
	n, length := 0, -1
	for _, s := range r.searches {
		if length += 1 + len(s); n == maxSearches || length > maxSearchLength {
			break
		}
		n++
	}
	if all := len(r.searches); n < all {
		r.searches = r.searches[:n]
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
