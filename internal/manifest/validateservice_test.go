package manifest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// serviceProblems loads one Service with this spec (and, after a line "---",
// these annotations) and returns its problems as "field: message".
func serviceProblems(t *testing.T, spec string) string {
	t.Helper()
	spec, annotations, _ := strings.Cut(spec, "---")
	text := "apiVersion: v1\nkind: Service\nmetadata: {name: web, annotations: {" + annotations + "}}\nspec: {" + spec + "}\n"
	l := New([]string{"-"}, strings.NewReader(text))
	c, err := l.Load()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, p := range l.Problems() {
		if p.Line != 3 && p.Line != 4 {
			t.Errorf("%s: line %d", p.Field, p.Line)
		}
		out = append(out, p.Field+": "+p.Message)
	}
	if (len(out) == 0) != (len(c.Put) == 1) {
		t.Errorf("%d Services are used with problems %v", len(c.Put), out)
	}
	return strings.Join(out, "\n")
}

const onePort = "ports: [{port: 80}]"

func TestValidServices(t *testing.T) {
	t.Parallel()
	for _, spec := range []string{
		onePort,
		"clusterIP: None",
		"clusterIP: None, clusterIPs: [None]",
		"clusterIP: 127.96.0.5, clusterIPs: [127.96.0.5], " + onePort,
		"clusterIP: 127.96.0.5, clusterIPs: [127.96.0.5, 'fd00::5'], ipFamilies: [IPv4, IPv6], ipFamilyPolicy: PreferDualStack, " + onePort,
		"ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53}]",
		"ports: [{port: 132, protocol: SCTP}]",
		"type: NodePort, ports: [{name: dns, port: 53, protocol: UDP, nodePort: 30053}, {name: dns-tcp, port: 53, nodePort: 30053}]",
		"type: NodePort, externalTrafficPolicy: Local, internalTrafficPolicy: Local, ports: [{port: 80, nodePort: 32767, appProtocol: kubernetes.io/h2c}]",
		"type: LoadBalancer, externalTrafficPolicy: Local, healthCheckNodePort: 30000, " + onePort,
		"type: LoadBalancer, loadBalancerClass: daemun.dev/load-balancer, allocateLoadBalancerNodePorts: false, loadBalancerSourceRanges: [' 10.0.0.0/8 ', '::/0'], " + onePort,
		"type: LoadBalancer, " + onePort + "---service.beta.kubernetes.io/load-balancer-source-ranges: '10.0.0.0/8, 192.0.2.0/24'",
		"type: ExternalName, externalName: example.com.",
		"type: ExternalName, externalName: 192.0.2.1", // a name that looks like an address
		"type: ExternalName, externalName: example.com, selector: {app: web}, " + onePort,
		"externalIPs: [127.0.0.5, 192.0.2.1, '2001:db8::1'], externalTrafficPolicy: Local, " + onePort,
		"sessionAffinity: ClientIP, " + onePort,
		"sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 86400}}, " + onePort,
		"trafficDistribution: PreferClose, " + onePort,
		"trafficDistribution: PreferSameNode, " + onePort,
		onePort + "---service.kubernetes.io/topology-mode: Auto, service.kubernetes.io/topology-aware-hints: auto",
	} {
		if got := serviceProblems(t, spec); got != "" {
			t.Errorf("%s:\n%s", spec, got)
		}
	}
}

func TestInvalidServices(t *testing.T) {
	t.Parallel()
	const f = "spec."
	for spec, want := range map[string]string{
		"type: NodePort": f + "ports: is missing: write at least one port",
		"type: NodePort, clusterIP: None, " + onePort:                                                                        f + "clusterIP: is not for type NodePort, only for ClusterIP: remove it, or change the type",
		"type: LoadBalancer, clusterIP: None, " + onePort:                                                                    f + "clusterIP: is not for type LoadBalancer, only for ClusterIP: remove it, or change the type",
		"ports: [{port: 80, nodePort: 30080}]":                                                                               f + "ports[0].nodePort: is not for type ClusterIP, only for NodePort, LoadBalancer: remove it, or change the type",
		"type: NodePort, ports: [{port: 80, nodePort: 8080}]":                                                                f + "ports[0].nodePort: 8080 is not allowed: a node port is a number from 30000 to 32767",
		"type: NodePort, ports: [{name: a, port: 80, nodePort: 30080}, {name: b, port: 81, nodePort: 30080}]":                f + `ports[1].nodePort: "30080/TCP" is used twice: give each its own`,
		"ports: [{name: a, port: 80}, {name: b, port: 80}]":                                                                  f + `ports[1].port: "80/TCP" is used twice: give each its own`,
		"ports: [{name: a, port: 80}, {name: a, port: 81}]":                                                                  f + `ports[1].name: "a" is used twice: give each its own`,
		"ports: [{name: a, port: 80}, {port: 81}]":                                                                           f + "ports[1].name: is missing: every port wants a name when there are several",
		"ports: [{port: 80, appProtocol: 'a b'}]":                                                                            "*",
		"ports: [{port: 80, name: Http}]":                                                                                    "*",
		"type: ExternalName":                                                                                                 f + "externalName: is missing: a Service of type ExternalName wants a DNS name",
		"type: ExternalName, externalName: a b":                                                                              "*",
		"type: ExternalName, externalName: a.b, clusterIP: 127.96.0.5":                                                       f + "clusterIP: is not for type ExternalName, only for ClusterIP, NodePort, LoadBalancer: remove it, or change the type",
		"type: ExternalName, externalName: a.b, clusterIP: None":                                                             f + "clusterIP: is not for type ExternalName, only for ClusterIP: remove it, or change the type",
		"type: ExternalName, externalName: a.b, ipFamilies: [IPv4]":                                                          f + "ipFamilies: is not for type ExternalName, only for ClusterIP, NodePort, LoadBalancer: remove it, or change the type",
		"type: ExternalName, externalName: a.b, externalIPs: [192.0.2.1]":                                                    f + "externalIPs: is not for type ExternalName, only for ClusterIP, NodePort, LoadBalancer: remove it, or change the type",
		"sessionAffinityConfig: {clientIP: {timeoutSeconds: 5}}, " + onePort:                                                 f + "sessionAffinityConfig: is only for sessionAffinity: ClientIP: write that, or remove it",
		"sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 86401}}, " + onePort:                  f + "sessionAffinityConfig.clientIP.timeoutSeconds: 86401 is not allowed: a time in seconds is a number from 1 to 86400",
		"externalTrafficPolicy: Local, " + onePort:                                                                           f + "externalTrafficPolicy: is only for Services that can be reached from outside (NodePort, LoadBalancer, or with externalIPs): remove it",
		"type: LoadBalancer, healthCheckNodePort: 30000, " + onePort:                                                         f + "healthCheckNodePort: is only for type LoadBalancer with externalTrafficPolicy: Local: write both, or remove it",
		"type: NodePort, externalTrafficPolicy: Local, healthCheckNodePort: 30000, " + onePort:                               f + "healthCheckNodePort: is only for type LoadBalancer with externalTrafficPolicy: Local: write both, or remove it",
		"type: LoadBalancer, externalTrafficPolicy: Local, healthCheckNodePort: 30001, ports: [{port: 80, nodePort: 30001}]": f + "healthCheckNodePort: 30001 is the nodePort of a port too: give each its own",
		"type: NodePort, allocateLoadBalancerNodePorts: false, " + onePort:                                                   f + "allocateLoadBalancerNodePorts: is not for type NodePort, only for LoadBalancer: remove it, or change the type",
		"loadBalancerClass: a/b, " + onePort:                                                                                 f + "loadBalancerClass: is not for type ClusterIP, only for LoadBalancer: remove it, or change the type",
		"type: LoadBalancer, loadBalancerClass: a/b/c, " + onePort:                                                           "*",
		"loadBalancerSourceRanges: [10.0.0.0/8], " + onePort:                                                                 f + "loadBalancerSourceRanges: is not for type ClusterIP, only for LoadBalancer: remove it, or change the type",
		"type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.1], " + onePort:                                               f + `loadBalancerSourceRanges[0]: "10.0.0.1" is not an address block: write for example 10.0.0.0/8`,
		"externalIPs: [0.0.0.0], " + onePort:                                                                                 f + "externalIPs[0]: 0.0.0.0 is not an address that others can send to: write for example 192.0.2.10, or an address of 127.0.0.0/8 on one machine",
		"externalIPs: ['::1'], " + onePort:                                                                                   "*",
		"externalIPs: [169.254.1.1], " + onePort:                                                                             "*",
		"externalIPs: [224.0.0.1], " + onePort:                                                                               "*",
		"clusterIPs: [127.96.0.5], " + onePort:                                                                               f + "clusterIPs: is set without clusterIP: write clusterIP: 127.96.0.5 too, or remove both",
		"clusterIP: 127.96.0.5, clusterIPs: [127.96.0.6], " + onePort:                                                        f + "clusterIPs[0]: 127.96.0.6 is not clusterIP (127.96.0.5): write the same, or leave clusterIPs out",
		"clusterIP: 127.96.0.5, clusterIPs: [127.96.0.5, 127.96.0.6], " + onePort:                                            f + "clusterIPs[1]: is a second address of IPv4: write one of each family",
		"clusterIP: 127.96.0.5, clusterIPs: [127.96.0.5, 'fd00::1', 'fd00::2'], " + onePort:                                  f + "clusterIPs: has 3 addresses: write at most two, one of each family\n" + f + "clusterIPs[2]: is a second address of IPv6: write one of each family",
		"clusterIP: None, clusterIPs: [None, 127.96.0.5]":                                                                    f + "clusterIPs: None stands alone: remove the other address",
		"clusterIP: 127.96.0.5, clusterIPs: [127.96.0.5], ipFamilies: [IPv6], " + onePort:                                    f + "clusterIPs[0]: 127.96.0.5 is not of IPv6, as ipFamilies[0] says: make them agree",
		"ipFamilyPolicy: SingleStack, ipFamilies: [IPv4, IPv6], " + onePort:                                                  f + "ipFamilies: has two families: with ipFamilyPolicy SingleStack write one, or write PreferDualStack",
		"ipFamilies: [IPv4, IPv4], " + onePort:                                                                               f + `ipFamilies[1]: "IPv4" is used twice: give each its own`,
		"ipFamilies: [ipv4], " + onePort:                                                                                     f + `ipFamilies[0]: "ipv4" is not allowed: did you mean IPv4? write one of IPv4, IPv6`,
		"ipFamilyPolicy: DualStack, " + onePort:                                                                              "*",
		"trafficDistribution: PreferSamZone, " + onePort:                                                                     f + `trafficDistribution: "PreferSamZone" is not allowed: did you mean PreferSameZone? write one of PreferSameZone, PreferSameNode, PreferClose`,
		"type: LoadBalancer, " + onePort + "---service.beta.kubernetes.io/load-balancer-source-ranges: '10.0.0.0/8, x'":      `metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: " x" is not an address block: write for example 10.0.0.0/8`,
		onePort + "---service.beta.kubernetes.io/load-balancer-source-ranges: 10.0.0.0/8":                                    `metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: is only for type LoadBalancer: remove it, or change the type`,
		onePort + "---service.kubernetes.io/topology-mode: Auto, service.kubernetes.io/topology-aware-hints: Disabled":       `metadata.annotations[service.kubernetes.io/topology-mode]: "Auto" disagrees with annotation service.kubernetes.io/topology-aware-hints ("Disabled"): keep one`,
	} {
		got := serviceProblems(t, spec)
		if want == "*" && got != "" && !strings.Contains(got, "\n") {
			continue
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", spec, d)
		}
	}
}

func TestEndpointAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"127.244.1.1": "", "192.0.2.1": "",
		"0.0.0.0":     "0.0.0.0 is not the address of an endpoint: write that of one machine, such as 192.0.2.10",
		"169.254.1.1": "169.254.1.1 is not the address of an endpoint: write that of one machine, such as 192.0.2.10",
		"224.0.0.1":   "224.0.0.1 is not the address of an endpoint: write that of one machine, such as 192.0.2.10",
	} {
		for _, text := range []string{
			"apiVersion: v1\nkind: Endpoints\nmetadata: {name: web}\nsubsets: [{addresses: [{ip: " + address + "}]}]\n",
			"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: web}\naddressType: IPv4\nendpoints: [{addresses: [" + address + "]}]\n",
		} {
			l := New([]string{"-"}, strings.NewReader(text))
			if _, err := l.Load(); err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, p := range l.Problems() {
				got += p.Message
			}
			if got != want {
				t.Errorf("%s: %q", address, got)
			}
		}
	}
}
