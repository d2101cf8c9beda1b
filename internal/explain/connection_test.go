package explain_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"daemun/internal/daemon"
	"daemun/internal/explain"
	"daemun/internal/ir"
	"daemun/internal/l4"
	"daemun/internal/store"
	"daemun/internal/translate"
)

const services = `
apiVersion: v1
kind: Node
metadata: {name: a}
---
apiVersion: v1
kind: Node
metadata: {name: b}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  nodeName: a
  containers: [{name: web, image: daemun/echo, ports: [{name: http, containerPort: 3000}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  clusterIP: 127.96.0.21
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http}]
---
apiVersion: v1
kind: Service
metadata: {name: near}
spec:
  type: NodePort
  externalTrafficPolicy: Local
  selector: {app: web}
  ports: [{port: 80, targetPort: http, nodePort: 30001}]
---
apiVersion: v1
kind: Service
metadata: {name: lb}
spec:
  type: LoadBalancer
  loadBalancerIP: 127.200.0.21
  loadBalancerSourceRanges: [10.0.0.0/8]
  selector: {app: web}
  ports: [{port: 80, targetPort: http}]
---
apiVersion: v1
kind: Service
metadata: {name: empty}
spec:
  selector: {app: nobody}
  ports: [{port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: db}
spec:
  clusterIP: None
  selector: {app: web}
  ports: [{name: pg, port: 5432, targetPort: http}]
---
apiVersion: v1
kind: Service
metadata: {name: alias}
spec: {type: ExternalName, externalName: db.example.com}
---
apiVersion: v1
kind: Service
metadata: {name: address}
spec: {type: ExternalName, externalName: 192.0.2.1}
---
apiVersion: v1
kind: Service
metadata: {name: wrong}
spec: {ports: [{port: 0}]}
---
apiVersion: v1
kind: Service
metadata: {name: azure}
spec:
  ports: [{port: 80}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: azure-1, labels: {kubernetes.io/service-name: azure}}
addressType: IPv4
ports: [{name: "", port: 80}]
endpoints: [{addresses: [168.63.129.16]}]
`

// TestConnections: each situation has its sentence, and each wrong question
// says what would be right.
func TestConnections(t *testing.T) {
	t.Parallel()
	in, err := daemon.Inspect([]string{"-"}, strings.NewReader(services), translate.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Close)
	for _, tt := range []struct{ url, client, want string }{
		{"tcp://web:80", "", "forwarded to the only endpoint (endpoints of all nodes)"},
		{"tcp://web.default.svc:http", "", "forwarded to the only endpoint (endpoints of all nodes)"},
		{"tcp://WEB.default.svc.cluster.local.:80/", "", "forwarded to the only endpoint (endpoints of all nodes)"},
		{"tcp://127.96.0.21:80", "", "forwarded to the only endpoint (endpoints of all nodes)"},
		{"tcp://web:81", "", "refused: Service default/web has the address, but no port 81/TCP; its ports are 80/TCP"},
		{"udp://web:80", "", "refused: Service default/web has the address, but no port 80/UDP; its ports are 80/TCP"},
		{"tcp://web", "", "error: Service default/web: say which port behind the name; its ports are 80/TCP (http)"},
		{"tcp://web:htpp", "", `error: Service default/web has no TCP port "htpp"; its ports are 80/TCP (http)`},
		{"tcp://emty:80", "", `error: there is no Service "emty" in namespace "default"; did you mean "empty"?`},
		{"tcp://wrong:80", "", `error: there is no Service "wrong" in namespace "default"; its manifest is not used: stdin:72:23: Service default/wrong: spec.ports[0].port: 0 is not allowed: a port is a number from 1 to 65535 [DMN0106]`},
		{"tcp://web.svc:80", "", `error: there is no Service "web" in namespace "svc"`},
		{"tcp://a.b.c:80", "", `error: "a.b.c": want NAME.NAMESPACE, NAME.NAMESPACE.svc or NAME.NAMESPACE.svc.cluster.local`},
		{"tcp://", "", `error: "tcp://": want tcp://NAME.NAMESPACE:PORT, tcp://ADDRESS:PORT, or the same with udp`},
		{"tcp://web:80/path", "", `error: "tcp://web:80/path": want tcp://NAME.NAMESPACE:PORT, tcp://ADDRESS:PORT, or the same with udp`},
		{"tcp://127.96.0.21", "", `error: "tcp://127.96.0.21": want the number of a port behind the address`},
		{"tcp://web:80", "here", `error: client "here" is no IP address`},
		{"tcp://[::1]:80", "::1", "refused: no Service has the address"},
		{"tcp://127.18.0.1:30001", "", "forwarded to the only endpoint (externalTrafficPolicy is Local: endpoints of the node where the traffic arrives)"},
		{"tcp://127.18.0.2:30001", "", "dropped, so that the client times out: externalTrafficPolicy is Local and the node where the traffic arrives has no endpoint of its own"},
		{"tcp://127.18.0.2:30001", "127.18.0.2", "forwarded to the only endpoint (externalTrafficPolicy is Local, but traffic from inside the cluster is not limited to local endpoints)"},
		{"tcp://127.200.0.21:80", "", "dropped, so that the client times out: the client is not in loadBalancerSourceRanges (10.0.0.0/8)"},
		{"tcp://empty:80", "", "refused: the Service has no endpoints"},
		{"tcp://db:5432", "", "the Service is headless: DNS answers with the address of its only ready endpoint, and the client connects to it directly"},
		{"tcp://alias:5432", "", "an alias of db.example.com: DNS answers with that name, and the connection does not pass here"},
		{"tcp://address:5432", "", "an alias of 192.0.2.1, which is an address and no name: the name does not exist (NXDOMAIN)"},
		{"tcp://azure:80", "", "reset: no endpoint may be reached through a Service: the metadata service of a cloud is never a backend"},
	} {
		c, err := in.ExplainConnection(explain.ConnectionRequest{URL: tt.url, Client: tt.client})
		got := ""
		if err != nil {
			got = "error: " + err.Error()
		} else {
			got = c.Result
		}
		if got != tt.want {
			t.Errorf("%s from %q:\ngot  %s\nwant %s", tt.url, tt.client, got, tt.want)
		}
	}
}

// TestHeadlessPortsAreTheEndpoints: a client that uses the Service's number is
// told the endpoints' one.
func TestHeadlessPortsAreTheEndpoints(t *testing.T) {
	t.Parallel()
	in, err := daemon.Inspect([]string{"-"}, strings.NewReader(services), translate.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Close)
	for url, hint := range map[string]string{
		"tcp://db:5432": "connect to port 3000: the endpoints have that one for port 5432 of the Service, and without a cluster IP nobody translates it",
		"tcp://db:3000": "",
	} {
		c, err := in.ExplainConnection(explain.ConnectionRequest{URL: url})
		if err != nil || c.Hint != hint {
			t.Errorf("%s: %v, hint %q, want %q", url, err, c.Hint, hint)
		}
	}
}

// TestNameServerIsNoService: the address that Pods ask for names has no
// endpoints, and answers all the same.
func TestNameServerIsNoService(t *testing.T) {
	t.Parallel()
	dns := netip.MustParseAddr("127.96.0.10")
	s := explain.NetworkSource{
		Network: &ir.Network{Services: []*ir.Service{{
			Namespace: "kube-system", Name: "kube-dns", Unproxied: true, ClusterIPs: []netip.Addr{dns}, Ports: []ir.ServicePort{{Transport: ir.UDP, Port: 53}},
		}}},
		Zone: "cluster.local", View: &store.View{},
		NameServer: explain.NameServer{Standard: netip.AddrPortFrom(dns, 53), Open: true, Other: netip.MustParseAddrPort("127.0.0.1:5353")},
	}
	s.Decide = func(tr ir.Transport, to netip.AddrPort, client netip.Addr) l4.Decision {
		return l4.Decide(s.Network, l4.Question{Transport: tr, To: to, Client: client, DialFilter: func(netip.AddrPort) error { return errors.New("nothing is dialled") }})
	}
	for _, tt := range []struct {
		open         bool
		result, hint string
	}{
		{true, "answered by Daemun's DNS server", ""},
		{false, "refused: Daemun's DNS server could not open port 53 (daemun get problems says why)", "ask 127.0.0.1:5353 instead"},
	} {
		s.NameServer.Open = tt.open
		c, err := explain.TraceConnection(explain.ConnectionRequest{URL: "udp://kube-dns.kube-system:53"}, s)
		if err != nil || c.Result != tt.result || c.Hint != tt.hint {
			t.Errorf("open %v: %v, %+v", tt.open, err, c)
		}
	}
}
