package network

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"daemun/internal/ir"
	"daemun/internal/store"
)

// published translates ConfigMaps over a Service db with the TCP port 5432 and
// the UDP port 53.
func published(tcp, udp map[string]string) (*Published, *store.Store) {
	s := store.New()
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "data", Name: name} }
	tcpName, udpName, tcpPort, udpPort, udpProtocol := "sql", "dns", int32(15432), int32(1053), corev1.ProtocolUDP
	ep := &discoveryv1.EndpointSlice{
		ObjectMeta: meta("db-1"), AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}}},
		Ports: []discoveryv1.EndpointPort{{Name: &tcpName, Port: &tcpPort}, {Name: &udpName, Port: &udpPort, Protocol: &udpProtocol}},
	}
	ep.Labels = map[string]string{discoveryv1.LabelServiceName: "db"}
	s.Update(func(tx *store.Tx) {
		tx.Put(&corev1.Service{ObjectMeta: meta("db"), Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{
			{Name: "sql", Port: 5432}, {Name: "dns", Port: 53, Protocol: corev1.ProtocolUDP},
		}}})
		tx.Put(&corev1.Service{ObjectMeta: meta("outside"), Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "example.com"}})
		tx.Put(ep)
		if tcp != nil {
			tx.Put(&corev1.ConfigMap{ObjectMeta: meta("tcp"), Data: tcp})
		}
		if udp != nil {
			tx.Put(&corev1.ConfigMap{ObjectMeta: meta("udp"), Data: udp})
		}
	})
	return NewPublished(PublishedConfig{TCP: "data/tcp", UDP: "data/udp", Addresses: []netip.Addr{netip.IPv4Unspecified()}, Reserved: []uint16{80}}), s
}

func TestPublishedPorts(t *testing.T) {
	t.Parallel()
	p, s := published(map[string]string{"9000": "data/db:5432", "9001": "data/db:sql"}, map[string]string{"53": "data/db:53"})
	n, problems := p.Translate(s.View())
	want := []*ir.Service{{
		Namespace: "data", Name: "db", ExternalIPs: []netip.Addr{netip.IPv4Unspecified()},
		Ports:     []ir.ServicePort{{Name: "sql", Transport: ir.TCP, Port: 9000}, {Name: "sql", Transport: ir.TCP, Port: 9001}, {Name: "dns", Transport: ir.UDP, Port: 53}},
		Endpoints: []ir.ServiceEndpoint{{Addr: netip.MustParseAddr("10.0.0.1"), Ports: []uint16{15432, 15432, 1053}, Ready: true, Serving: true}},
	}}
	if d := cmp.Diff(want, n.Services, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" || len(problems) > 0 {
		t.Errorf("problems %v, -want +got:\n%s", problems, d)
	}
	again, _ := p.Translate(s.View())
	if again.Services[0] != n.Services[0] {
		t.Error("a Service that did not change is another one")
	}
}

func TestPublishedProblems(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ key, value, code, says string }{
		{"http", "data/db:5432", CodePublished, `"http" is not a port`},
		{"0", "data/db:5432", CodePublished, "is not a port"},
		{"65536", "data/db:5432", CodePublished, "is not a port"},
		{"80", "data/db:5432", CodePublished, "one of Daemun's own"},
		{"9000", "db:5432", CodePublished, "write NAMESPACE/NAME:PORT"},
		{"9000", "data/db", CodePublished, "write NAMESPACE/NAME:PORT"},
		{"9000", "data/db:5432:TLS", CodePublished, `"TLS" is not known`},
		{"9000", "data/none:5432", CodePublishedService, `there is no Service "none"`},
		{"9000", "data/db:53", CodePublishedService, `has no TCP port "53"`},
		{"9000", "data/outside:80", CodePublishedService, "--disable-svc-external-name"},
	} {
		t.Run(tt.key+" "+tt.value, func(t *testing.T) {
			t.Parallel()
			p, s := published(map[string]string{tt.key: tt.value}, map[string]string{})
			n, problems := p.Translate(s.View())
			if len(problems) != 1 || problems[0].Code != tt.code || !strings.Contains(problems[0].Message, tt.says) || len(n.Services) > 0 {
				t.Errorf("%v, %d Services", problems, len(n.Services))
			}
		})
	}
	p, s := published(nil, nil)
	if _, problems := p.Translate(s.View()); len(problems) != 2 || !strings.Contains(fmt.Sprint(problems), "there is no ConfigMap") {
		t.Errorf("%v", problems)
	}
}

// TestPublishedNames: a Service with an external name has the endpoints that
// its name has, once that is known.
func TestPublishedNames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		addresses []netip.Addr
		known     bool
		services  int
		says      string
	}{
		{[]netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}, true, 1, ""},
		{nil, false, 1, ""},
		{nil, true, 0, `the external name "Example.com." of Service "outside" has no address`},
	} {
		p, s := published(map[string]string{"9000": "data/outside:80", "9001": "data/outside:dns", "9002": "data/outside:1"}, map[string]string{})
		s.Update(func(tx *store.Tx) {
			tx.Put(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "data", Name: "outside"}, Spec: corev1.ServiceSpec{
				Type: corev1.ServiceTypeExternalName, ExternalName: "Example.com.",
				Ports: []corev1.ServicePort{{Name: "web", Port: 80}, {Name: "dns", Port: 5353, TargetPort: intstr.FromInt32(53)}},
			}})
		})
		asked := ""
		p.Names = func() func(string) ([]netip.Addr, bool) {
			return func(host string) ([]netip.Addr, bool) {
				asked = host
				return tt.addresses, tt.known
			}
		}
		n, problems := p.Translate(s.View())
		if asked != "example.com" || len(n.Services) != tt.services || tt.says != "" && !strings.Contains(fmt.Sprint(problems), tt.says) {
			t.Errorf("%q: %d Services, %v", asked, len(n.Services), problems)
		}
		if tt.services == 0 {
			continue
		}
		if len(problems) != 1 || !strings.Contains(problems[0].Message, `has no TCP port "1"`) {
			t.Errorf("%v", problems)
		}
		got := n.Services[0].Endpoints
		for i, addr := range tt.addresses {
			if got[i].Addr != addr || !slices.Equal(got[i].Ports, []uint16{80, 53}) || !got[i].Ready || !got[i].Serving {
				t.Errorf("endpoint %+v", got[i])
			}
		}
	}
}

// TestPublishedHeaders: which ports take and give headers of the PROXY protocol,
// and what is said of those that cannot.
func TestPublishedHeaders(t *testing.T) {
	t.Parallel()
	proxies := Headers{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Timeout: time.Second}
	for _, tt := range []struct {
		value       string
		headers     Headers
		takes, give bool
		code        string
	}{
		{"data/db:5432:PROXY", proxies, true, false, ""},
		{"data/db:5432::proxy", proxies, false, true, ""},
		{"data/db:5432:PROXY:PROXY", proxies, true, true, ""},
		{"data/db:5432:PROXY", Headers{Timeout: time.Second}, true, false, CodePublishedTrust},
		{"data/db:5432::PROXY", Headers{Timeout: time.Second, Unreadable: true}, false, true, ""},
	} {
		p, s := published(map[string]string{"9000": tt.value}, map[string]string{})
		p.Headers = func(*store.View) Headers { return tt.headers }
		n, problems := p.Translate(s.View())
		if len(n.Services) != 1 {
			t.Errorf("%s: not published: %v", tt.value, problems)
			continue
		}
		got := n.Services[0].Ports[0]
		if got.TakesHeader != tt.takes || got.GivesHeader != tt.give {
			t.Errorf("%s: %+v", tt.value, got)
		}
		if (tt.code == "") != (len(problems) == 0) || tt.code != "" && problems[0].Code != tt.code {
			t.Errorf("%s: %v", tt.value, problems)
		}
	}
	for value, headers := range map[string]Headers{"data/db:5432:PROXY": {Unreadable: true}, "data/db:5432:PROXY:PROXY": {Unreadable: true}} {
		p, s := published(map[string]string{"9000": value}, map[string]string{"53": "data/db:53:PROXY"})
		p.Headers = func(*store.View) Headers { return headers }
		n, problems := p.Translate(s.View())
		if len(n.Services) != 0 || len(problems) != 2 || problems[0].Code != CodePublishedProxy || problems[1].Code != CodePublishedProxy {
			t.Errorf("%s: %d Services, %v", value, len(n.Services), problems)
		}
	}
}

// FuzzPublished: no entry panics.
func FuzzPublished(f *testing.F) {
	f.Add("9000", "data/db:5432:PROXY:PROXY")
	f.Add("", ":/:")
	f.Fuzz(func(t *testing.T, key, value string) {
		p, s := published(map[string]string{key: value}, map[string]string{key: value})
		p.Translate(s.View())
	})
}
