package dns

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"daemun/internal/ir"
)

// example is a Network with one Service of each kind.
func example() *ir.Network {
	n := networkOf(
		&ir.Service{
			Namespace: "default", Name: "web", ClusterIPs: addrs("10.96.0.20", "fd00:96::20"),
			Ports: []ir.ServicePort{port("http", ir.TCP, 80), port("dns", ir.UDP, 53)},
		},
		&ir.Service{Namespace: "default", Name: "four", ClusterIPs: addrs("10.96.0.4"), Ports: []ir.ServicePort{port("", ir.TCP, 80)}},
		&ir.Service{
			Namespace: "default", Name: "lb", ClusterIPs: addrs("10.96.0.5"), ExternalIPs: addrs("192.0.2.1"), LoadBalancerIPs: addrs("192.0.2.2"),
			Unproxied: true, Ports: []ir.ServicePort{{Name: "http", Transport: ir.TCP, Port: 80, NodePort: 30080}},
		},
		&ir.Service{Namespace: "default", Name: "pending", Ports: []ir.ServicePort{port("http", ir.TCP, 80)}},
		&ir.Service{
			Namespace: "db", Name: "pg", Headless: true, Ports: []ir.ServicePort{port("sql", ir.TCP, 5432), port("", ir.TCP, 9)},
			Endpoints: []ir.ServiceEndpoint{
				endpoint("10.244.0.1/pg-0", 6001, 9), endpoint("10.244.0.2/pg-1", 6002, 9), endpoint("10.244.0.3/pg-2!", 6003, 9),
				endpoint("10.244.0.4", 6004, 9), endpoint("fd00::", 6005, 9),
			},
		},
		&ir.Service{
			Namespace: "db", Name: "twins", Headless: true, Ports: []ir.ServicePort{port("sql", ir.TCP, 5432)},
			Endpoints: []ir.ServiceEndpoint{
				endpoint("10.244.0.1/same", 1), endpoint("10.244.0.2/same", 1), endpoint("10.244.0.2/same", 2), endpoint("10.244.0.5/none", 0),
			},
		},
		&ir.Service{Namespace: "db", Name: "bare", Headless: true, Endpoints: []ir.ServiceEndpoint{endpoint("10.244.0.9/b")}},
		&ir.Service{Namespace: "db", Name: "empty", Headless: true, Ports: []ir.ServicePort{port("sql", ir.TCP, 5432)}, Endpoints: []ir.ServiceEndpoint{endpoint("10.244.0.8/x!", 1)}},
		&ir.Service{Namespace: "db", Name: "six", Headless: true, Endpoints: []ir.ServiceEndpoint{endpoint("fd00::7/s")}},
		&ir.Service{Namespace: "ext", Name: "out", ExternalName: "www.example.com"},
		&ir.Service{Namespace: "ext", Name: "in", ExternalName: "web.default.svc.cluster.local"},
		&ir.Service{Namespace: "ext", Name: "twice", ExternalName: "in.ext.svc.cluster.local"},
		&ir.Service{Namespace: "ext", Name: "dangling", ExternalName: "nothing.default.svc.cluster.local"},
		&ir.Service{Namespace: "ext", Name: "ping", ExternalName: "pong.ext.svc.cluster.local"},
		&ir.Service{Namespace: "ext", Name: "pong", ExternalName: "ping.ext.svc.cluster.local"},
		&ir.Service{Namespace: "ext", Name: "number", ExternalName: "192.0.2.7"},
	)
	n.Pods = []*ir.Pod{
		{Namespace: "db", Name: "pg-0", Addr: addrs("10.244.0.1")[0]},
		{Namespace: "default", Name: "a", Addr: addrs("10.244.1.1")[0]},
		{Namespace: "default", Name: "b", Addr: addrs("fd00::1:1")[0]},
	}
	return n
}

// soa is the authority section of negative answers, noData and noName whole ones.
const (
	soa    = "authority cluster.local. 5 SOA ns.dns.cluster.local. hostmaster.cluster.local. 7 5"
	noData = "NOERROR aa\n" + soa
	noName = "NXDOMAIN aa\n" + soa
)

type answerCase struct{ rule, question, answer string }

func check(t *testing.T, s *Server, cases []answerCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			want := strings.ReplaceAll(strings.TrimSpace(c.answer), "\t", "")
			if d := cmp.Diff(want, direct(t, s, question(t, c.question), 4096)); d != "" {
				t.Errorf("%s: -want +got\n%s", c.question, d)
			}
		})
	}
}

func TestRecords(t *testing.T) {
	t.Parallel()
	s := New(Config{Zone: "cluster.local"})
	s.Update(example())
	check(t, s, []answerCase{
		{"the version of the schema", "dns-version.cluster.local. TXT", `
			NOERROR aa
			dns-version.cluster.local. 28800 TXT ["1.1.0"]`},
		{"cluster IP, IPv4", "web.default.svc.cluster.local. A", `
			NOERROR aa
			web.default.svc.cluster.local. 5 A 10.96.0.20`},
		{"cluster IP, IPv6", "web.default.svc.cluster.local. AAAA", `
			NOERROR aa
			web.default.svc.cluster.local. 5 AAAA fd00:96::20`},
		{"the letter case of the query is kept", "WEB.Default.svc.CLUSTER.local. A", `
			NOERROR aa
			WEB.Default.svc.CLUSTER.local. 5 A 10.96.0.20`},
		{"load balancers and Services of another proxy are known by their cluster IP", "lb.default.svc.cluster.local. A", `
			NOERROR aa
			lb.default.svc.cluster.local. 5 A 10.96.0.5`},
		{"named port of a cluster IP", "_http._tcp.web.default.svc.cluster.local. SRV", `
			NOERROR aa
			_http._tcp.web.default.svc.cluster.local. 5 SRV 0 100 80 web.default.svc.cluster.local.
			additional web.default.svc.cluster.local. 5 A 10.96.0.20
			additional web.default.svc.cluster.local. 5 AAAA fd00:96::20`},
		{"named UDP port", "_dns._udp.web.default.svc.cluster.local. SRV", `
			NOERROR aa
			_dns._udp.web.default.svc.cluster.local. 5 SRV 0 100 53 web.default.svc.cluster.local.
			additional web.default.svc.cluster.local. 5 A 10.96.0.20
			additional web.default.svc.cluster.local. 5 AAAA fd00:96::20`},
		{"reverse of a cluster IP", "20.0.96.10.in-addr.arpa. PTR", `
			NOERROR aa
			20.0.96.10.in-addr.arpa. 5 PTR web.default.svc.cluster.local.`},
		{"reverse of an IPv6 cluster IP", "0.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.D.f.ip6.ARPA. PTR", `
			NOERROR aa
			0.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.D.f.ip6.ARPA. 5 PTR web.default.svc.cluster.local.`},
		{"headless: all ready endpoints of the family", "pg.db.svc.cluster.local. A", `
			NOERROR aa
			pg.db.svc.cluster.local. 5 A 10.244.0.1
			pg.db.svc.cluster.local. 5 A 10.244.0.2
			pg.db.svc.cluster.local. 5 A 10.244.0.4`},
		{"headless, IPv6", "pg.db.svc.cluster.local. AAAA", `
			NOERROR aa
			pg.db.svc.cluster.local. 5 AAAA fd00::`},
		{"headless without ports", "bare.db.svc.cluster.local. A", `
			NOERROR aa
			bare.db.svc.cluster.local. 5 A 10.244.0.9`},
		{"an address that is there twice is given once", "twins.db.svc.cluster.local. A", `
			NOERROR aa
			twins.db.svc.cluster.local. 5 A 10.244.0.1
			twins.db.svc.cluster.local. 5 A 10.244.0.2
			twins.db.svc.cluster.local. 5 A 10.244.0.5`},
		{"hostname of an endpoint", "pg-1.pg.db.svc.cluster.local. A", `
			NOERROR aa
			pg-1.pg.db.svc.cluster.local. 5 A 10.244.0.2`},
		{"endpoint without a hostname", "10-244-0-4.pg.db.svc.cluster.local. A", `
			NOERROR aa
			10-244-0-4.pg.db.svc.cluster.local. 5 A 10.244.0.4`},
		{"a trailing dash is completed", "fd00--0.pg.db.svc.cluster.local. AAAA", `
			NOERROR aa
			fd00--0.pg.db.svc.cluster.local. 5 AAAA fd00::`},
		{"endpoints that share a hostname", "same.twins.db.svc.cluster.local. A", `
			NOERROR aa
			same.twins.db.svc.cluster.local. 5 A 10.244.0.1
			same.twins.db.svc.cluster.local. 5 A 10.244.0.2`},
		{"headless SRV: each endpoint's own number", "_sql._tcp.pg.db.svc.cluster.local. SRV", `
			NOERROR aa
			_sql._tcp.pg.db.svc.cluster.local. 5 SRV 0 25 6001 pg-0.pg.db.svc.cluster.local.
			_sql._tcp.pg.db.svc.cluster.local. 5 SRV 0 25 6002 pg-1.pg.db.svc.cluster.local.
			_sql._tcp.pg.db.svc.cluster.local. 5 SRV 0 25 6004 10-244-0-4.pg.db.svc.cluster.local.
			_sql._tcp.pg.db.svc.cluster.local. 5 SRV 0 25 6005 fd00--0.pg.db.svc.cluster.local.
			additional 10-244-0-4.pg.db.svc.cluster.local. 5 A 10.244.0.4
			additional fd00--0.pg.db.svc.cluster.local. 5 AAAA fd00::
			additional pg-0.pg.db.svc.cluster.local. 5 A 10.244.0.1
			additional pg-1.pg.db.svc.cluster.local. 5 A 10.244.0.2`},
		{"SRV records are a set; endpoints without the port have none", "_sql._tcp.twins.db.svc.cluster.local. SRV", `
			NOERROR aa
			_sql._tcp.twins.db.svc.cluster.local. 5 SRV 0 50 1 same.twins.db.svc.cluster.local.
			_sql._tcp.twins.db.svc.cluster.local. 5 SRV 0 50 2 same.twins.db.svc.cluster.local.
			additional same.twins.db.svc.cluster.local. 5 A 10.244.0.1
			additional same.twins.db.svc.cluster.local. 5 A 10.244.0.2`},
		{"reverse of an endpoint, one per Service", "1.0.244.10.in-addr.arpa. PTR", `
			NOERROR aa
			1.0.244.10.in-addr.arpa. 5 PTR pg-0.pg.db.svc.cluster.local.
			1.0.244.10.in-addr.arpa. 5 PTR same.twins.db.svc.cluster.local.`},
		{"alias into the zone", "in.ext.svc.cluster.local. A", `
			NOERROR aa
			in.ext.svc.cluster.local. 5 CNAME web.default.svc.cluster.local.
			web.default.svc.cluster.local. 5 A 10.96.0.20`},
		{"alias of an alias", "twice.ext.svc.cluster.local. AAAA", `
			NOERROR aa
			twice.ext.svc.cluster.local. 5 CNAME in.ext.svc.cluster.local.
			in.ext.svc.cluster.local. 5 CNAME web.default.svc.cluster.local.
			web.default.svc.cluster.local. 5 AAAA fd00:96::20`},
		{"alias asked for itself", "out.ext.svc.cluster.local. CNAME", `
			NOERROR aa
			out.ext.svc.cluster.local. 5 CNAME www.example.com.`},
		{"a Pod of the namespace", "10-244-1-1.default.pod.cluster.local. A", `
			NOERROR aa
			10-244-1-1.default.pod.cluster.local. 5 A 10.244.1.1`},
		{"a Pod, IPv6", "fd00--1-1.default.pod.cluster.local. AAAA", `
			NOERROR aa
			fd00--1-1.default.pod.cluster.local. 5 AAAA fd00::1:1`},
		{"the zone's own records", "cluster.local. SOA", `
			NOERROR aa
			cluster.local. 5 SOA ns.dns.cluster.local. hostmaster.cluster.local. 7 5`},
		{"the zone's server", "cluster.local. NS", `
			NOERROR aa
			cluster.local. 5 NS ns.dns.cluster.local.`},
		{"ANY is answered with little", "pg.db.svc.cluster.local. ANY", `
			NOERROR aa
			pg.db.svc.cluster.local. 5 TYPE13 "\aRFC8482\x00"`},
	})
}

func TestNegativeAnswers(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	s.Update(example())
	check(t, s, []answerCase{
		{"type without data: AAAA", "four.default.svc.cluster.local. AAAA", noData},
		{"type without data: MX", "web.default.svc.cluster.local. MX", noData},
		{"type without data: TXT", "pg.db.svc.cluster.local. TXT", noData},
		{"type without data: HTTPS", "web.default.svc.cluster.local. HTTPS", noData},
		{"a cluster IP needs no endpoints", "four.default.svc.cluster.local. A", "NOERROR aa\nfour.default.svc.cluster.local. 5 A 10.96.0.4"},
		{"a Service without an address yet", "pending.default.svc.cluster.local. A", noData},
		{"headless without ready endpoints", "empty.db.svc.cluster.local. A", noName},
		{"headless without ready endpoints, SRV", "_sql._tcp.empty.db.svc.cluster.local. SRV", noName},
		{"an endpoint that is not ready", "pg-2.pg.db.svc.cluster.local. A", noName},
		{"headless, other family only", "six.db.svc.cluster.local. A", noData},
		{"endpoint, other family only", "pg-0.pg.db.svc.cluster.local. AAAA", noData},
		{"unknown Service", "nothing.default.svc.cluster.local. A", noName},
		{"unknown namespace", "web.nowhere.svc.cluster.local. A", noName},
		{"unknown namespace by itself", "nowhere.svc.cluster.local. A", noName},
		{"namespace", "default.svc.cluster.local. A", noData},
		{"svc", "svc.cluster.local. A", noData},
		{"pod", "pod.cluster.local. A", noData},
		{"zone", "cluster.local. A", noData},
		{"dns", "dns.cluster.local. A", noData},
		{"server of the zone without a known address", "ns.dns.cluster.local. A", noData},
		{"version, other type", "dns-version.cluster.local. A", noData},
		{"below the version", "x.dns-version.cluster.local. TXT", noName},
		{"undeclared port", "_https._tcp.web.default.svc.cluster.local. SRV", noName},
		{"wrong protocol", "_http._udp.web.default.svc.cluster.local. SRV", noName},
		{"port without underscores", "http.tcp.web.default.svc.cluster.local. SRV", noName},
		{"unnamed port", "_._tcp.four.default.svc.cluster.local. SRV", noName},
		{"the protocol has names below it", "_tcp.web.default.svc.cluster.local. SRV", noData},
		{"a protocol that is not used", "_udp.pg.db.svc.cluster.local. SRV", noName},
		{"port, other type", "_http._tcp.web.default.svc.cluster.local. A", noData},
		{"label left of a Service", "x.web.default.svc.cluster.local. A", noName},
		{"label left of an endpoint", "x.pg-0.pg.db.svc.cluster.local. A", noName},
		{"label left of a port", "x._http._tcp.web.default.svc.cluster.local. SRV", noName},
		{"label left of an alias", "x.in.ext.svc.cluster.local. A", noName},
		{"name outside the schema", "www.example.com.cluster.local. A", noName},
		{"namespace is not svc", "web.default.cluster.local. A", noName},
		{"alias that looks like an address", "number.ext.svc.cluster.local. A", noName},
		{"alias into the zone that leads nowhere", "dangling.ext.svc.cluster.local. A", "NOERROR aa\ndangling.ext.svc.cluster.local. 5 CNAME nothing.default.svc.cluster.local."},
		{"alias out of the zone without an upstream", "out.ext.svc.cluster.local. A", "NOERROR aa\nout.ext.svc.cluster.local. 5 CNAME www.example.com."},
		{"a Pod of another namespace", "10-244-0-1.default.pod.cluster.local. A", noName},
		{"a Pod, other family", "10-244-1-1.default.pod.cluster.local. AAAA", noData},
		{"a Pod's namespace", "default.pod.cluster.local. A", noData},
		{"an unknown Pod namespace", "nowhere.pod.cluster.local. A", noName},
		{"label left of a Pod", "x.10-244-1-1.default.pod.cluster.local. A", noName},
		{"no address at all", "web.default.pod.cluster.local. A", noName},
		{"reverse name, other type", "20.0.96.10.in-addr.arpa. A", "NOERROR aa\nauthority 20.0.96.10.in-addr.arpa. 5 SOA ns.dns.cluster.local. hostmaster.cluster.local. 7 5"},
		{"outside the zone without an upstream", "www.example.com. A", "REFUSED"},
		{"reverse name that matches nothing, without an upstream", "1.2.0.192.in-addr.arpa. PTR", "REFUSED"},
		{"like the zone, but not below it", "xcluster.local. A", "REFUSED"},
	})
}

func TestAliasLoopEnds(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	s.Update(example())
	got := direct(t, s, question(t, "ping.ext.svc.cluster.local. A"), 4096)
	if n := strings.Count(got, "CNAME"); n != maxChain || !strings.HasPrefix(got, "NOERROR aa") {
		t.Errorf("%d aliases:\n%s", n, got)
	}
}

func TestPodRecords(t *testing.T) {
	t.Parallel()
	insecure := New(Config{Pods: PodsInsecure})
	insecure.Update(example())
	check(t, insecure, []answerCase{
		{"any address", "192-0-2-1.nowhere.pod.cluster.local. A", "NOERROR aa\n192-0-2-1.nowhere.pod.cluster.local. 5 A 192.0.2.1"},
		{"any IPv6 address", "2001-db8--1.nowhere.pod.cluster.local. AAAA", "NOERROR aa\n2001-db8--1.nowhere.pod.cluster.local. 5 AAAA 2001:db8::1"},
		{"its namespace is there as well", "nowhere.pod.cluster.local. A", noData},
		{"no address", "192-0-2.nowhere.pod.cluster.local. A", noName},
		{"no address, leading zero", "192-0-2-01.nowhere.pod.cluster.local. A", noName},
	})
	disabled := New(Config{Pods: PodsDisabled})
	disabled.Update(example())
	check(t, disabled, []answerCase{
		{"disabled", "10-244-1-1.default.pod.cluster.local. A", noName},
		{"disabled, namespace", "default.pod.cluster.local. A", noName},
	})
}

func TestNothingIsDeniedBeforeTheFirstUpdate(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	check(t, s, []answerCase{
		{"name of the zone", "web.default.svc.cluster.local. A", "SERVFAIL"},
		{"reverse name", "20.0.96.10.in-addr.arpa. PTR", "SERVFAIL"},
	})
}

func TestAnotherZone(t *testing.T) {
	t.Parallel()
	s := New(Config{Zone: "K8s.Example.", Own: nil})
	s.Update(networkOf(&ir.Service{Namespace: "a", Name: "b", ClusterIPs: addrs("10.0.0.1")}))
	check(t, s, []answerCase{
		{"name", "b.a.svc.k8s.example. A", "NOERROR aa\nb.a.svc.k8s.example. 5 A 10.0.0.1"},
		{"reverse", "1.0.0.10.in-addr.arpa. PTR", "NOERROR aa\n1.0.0.10.in-addr.arpa. 5 PTR b.a.svc.k8s.example."},
		{"the default zone is not ours", "b.a.svc.cluster.local. A", "REFUSED"},
	})
}
