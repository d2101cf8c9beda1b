package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"daemun/internal/ir"
)

// TestTables: rows in, the text a person sees out.
func TestTables(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		resource, items string
		selection       Selection
		want            string
	}{
		"objects of manifests have no age": {
			"namespaces", `[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}}]`,
			Selection{},
			"NAME\na\nb\n",
		},
		"some have": {
			"namespaces", `[{"metadata":{"name":"a"}},{"metadata":{"name":"b","creationTimestamp":"2026-05-01T11:59:30Z"}}]`,
			Selection{},
			"NAME   AGE\na      <none>\nb      30s\n",
		},
		"a route by the name that top and tap give it": {
			"routes", `[{"host":"a.test","path":"/x","pattern":"^/x","ingress":{"namespace":"d","name":"i"}},{"host":"a.test","path":"/y","ingress":{"namespace":"d","name":"i"}}]`,
			Selection{Namespace: "d", Name: "a.test/x", Output: "name"},
			"routes/a.test/x\n",
		},
		"routes of an Ingress": {
			"routes", `[{"host":"a.test","path":"/x","ingress":{"namespace":"d","name":"i"}},{"path":"/y","ingress":{"namespace":"d","name":"j"}},{"path":"/z","ingress":{"namespace":"d","name":"k"}}]`,
			Selection{Namespace: "d", Name: "j", Output: "name"},
			"routes/*/y\n",
		},
		"endpoints as numbers": {
			"endpoints", `[{"namespace":"d","name":"s","addresses":[{"address":"127.0.0.10:80","ready":true},{"address":"127.0.0.9:80","ready":true},{"address":"127.0.0.8:80"}]}]`,
			Selection{Namespace: "d", Output: "wide"},
			"NAME   ENDPOINTS                    NOT READY\ns      127.0.0.9:80,127.0.0.10:80   127.0.0.8:80\n",
		},
		"some endpoints of many": {
			"endpoints", `[{"namespace":"d","name":"s","addresses":[{"address":"127.0.0.4:80","ready":true},{"address":"127.0.0.1:80","ready":true},
				{"address":"127.0.0.3:80","ready":true},{"address":"127.0.0.2:80","ready":true},{"address":"127.0.0.5:80","ready":true}]},{"namespace":"d","name":"t","addresses":[]}]`,
			Selection{Namespace: "d"},
			"NAME   ENDPOINTS\ns      127.0.0.1:80,127.0.0.2:80,127.0.0.3:80 + 2 more...\nt      <none>\n",
		},
		"services as kubectl shows them": {
			"services", `[
				{"metadata":{"namespace":"d","name":"a"},"spec":{"type":"ClusterIP","clusterIP":"127.96.0.9","ports":[{"port":80,"protocol":"TCP"},{"port":53,"protocol":"UDP"}]}},
				{"metadata":{"namespace":"d","name":"b"},"spec":{"type":"ClusterIP","clusterIP":"None","selector":{"app":"b","x":"y"}}},
				{"metadata":{"namespace":"d","name":"c"},"spec":{"type":"NodePort","clusterIP":"127.96.0.8","externalIPs":["127.0.0.3"],"ports":[{"port":80,"nodePort":30080,"protocol":"TCP"}]}},
				{"metadata":{"namespace":"d","name":"d"},"spec":{"type":"LoadBalancer","clusterIP":"127.96.0.7","ports":[{"port":80,"protocol":"TCP"}]}},
				{"metadata":{"namespace":"d","name":"e"},"spec":{"type":"LoadBalancer","clusterIP":"127.96.0.6","externalIPs":["127.0.0.3"],"ports":[{"port":80,"protocol":"TCP"}]},
				 "status":{"loadBalancer":{"ingress":[{"ip":"127.200.0.1"}]}}},
				{"metadata":{"namespace":"d","name":"f"},"spec":{"type":"ExternalName","externalName":"example.com"}}]`,
			Selection{Namespace: "d", Output: "wide"},
			"NAME   TYPE           CLUSTER-IP   EXTERNAL-IP             PORT(S)         SELECTOR\n" +
				"a      ClusterIP      127.96.0.9   <none>                  80/TCP,53/UDP   <none>\n" +
				"b      ClusterIP      None         <none>                  <none>          app=b,x=y\n" +
				"c      NodePort       127.96.0.8   127.0.0.3               80:30080/TCP    <none>\n" +
				"d      LoadBalancer   127.96.0.7   <pending>               80/TCP          <none>\n" +
				"e      LoadBalancer   127.96.0.6   127.200.0.1,127.0.0.3   80/TCP          <none>\n" +
				"f      ExternalName   <none>       example.com             <none>          <none>\n",
		},
		"nodes and their Pods' networks": {
			"nodes", `[{"metadata":{"name":"a","labels":{"topology.kubernetes.io/zone":"east"}},"spec":{"podCIDR":"127.244.0.0/24","podCIDRs":["127.244.0.0/24","127.244.2.0/24"]},
				"status":{"addresses":[{"type":"InternalIP","address":"127.18.0.1"},{"type":"ExternalIP","address":"192.0.2.1"},{"type":"Hostname","address":"a"}]}}]`,
			Selection{Output: "wide"},
			"NAME   INTERNAL-IP   EXTERNAL-IP   POD-NETWORK                     ZONE\n" +
				"a      127.18.0.1    192.0.2.1     127.244.0.0/24,127.244.2.0/24   east\n",
		},
		"routes": {
			"routes", `[{"host":"h","match":"Prefix","pattern":"/","ingress":{"namespace":"d","name":"i"},"backend":"d/s/80"},
				{"host":"h","match":"Exact","pattern":"/x","ingress":{"namespace":"d","name":"i"},"redirect":{"code":301,"appendSlash":true}}]`,
			Selection{Namespace: "d"},
			"HOST   PATH   MATCH    BACKEND                       ENDPOINTS   INGRESS\n" +
				"h      /      Prefix   d/s/80                        0           d/i\n" +
				"h      /x     Exact    redirect 301 to add a slash   -           d/i\n",
		},
		"problems with place": {
			"problems", `[{"code":"DMN0001","severity":"error","object":{"kind":"Pod","namespace":"d","name":"p"},"field":"spec","file":"a.yaml","line":3,"column":5,"message":"m"},
				{"code":"DMN0002","severity":"notice","file":"b.yaml","message":"n"}]`,
			Selection{Namespace: "d", Output: "wide"},
			"SEVERITY   CODE      OBJECT    FIELD    MESSAGE   PLACE\n" +
				"error      DMN0001   Pod d/p   spec     m         a.yaml:3:5\n" +
				"notice     DMN0002   <none>    <none>   n         b.yaml\n",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got bytes.Buffer
			tt.selection.Now = now
			if err := WriteList(&got, tt.resource, json.RawMessage(tt.items), tt.selection); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got.String()); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
	none := &NoneError{}
	if err := WriteList(&bytes.Buffer{}, "pods", json.RawMessage("[]"), Selection{Namespace: "d"}); !errors.As(err, &none) {
		t.Errorf("no pods: %v", err)
	}
}

func TestServicesOnFirstScreen(t *testing.T) {
	t.Parallel()
	addr := netip.MustParseAddr
	n := &ir.Network{Services: []*ir.Service{
		{Namespace: "default", Name: "kubernetes", ClusterIPs: []netip.Addr{addr("127.96.0.1")}},
		{Namespace: "d", Name: "alias", ExternalName: "db.example"},
		{Namespace: "d", Name: "db", Headless: true},
		{Namespace: "d", Name: "lost"},
		{Namespace: "d", Name: "many", ClusterIPs: []netip.Addr{addr("127.96.1.2")}, Ports: slices.Repeat([]ir.ServicePort{{Port: 9, Transport: ir.TCP}}, 1000)},
		{Namespace: "d", Name: "web", ClusterIPs: []netip.Addr{addr("127.96.1.1")}, LoadBalancerIPs: []netip.Addr{addr("127.200.0.1")}, Ports: []ir.ServicePort{
			{Port: 80, NodePort: 30080, Transport: ir.TCP}, {Port: 53, Transport: ir.UDP},
		}},
		{Namespace: "kube-system", Name: "kube-dns", Unproxied: true},
	}}
	const want = `
  SERVICE   ADDRESS
  d/alias   alias of db.example
  d/db      headless
  d/lost    none
  d/many    127.96.1.2:9, 127.96.1.2:9, 127.96.1.2:9, 127.96.1.2:9, 127.96.1.2:9, 127.96.1.2:9 and 994 more
  d/web     127.96.1.1:80, 127.200.0.1:80, node port 30080, 127.96.1.1:53/UDP, 127.200.0.1:53/UDP

  names    dig @127.0.0.1 -p 5353 NAME.NAMESPACE.svc.cluster.local
  look     daemun get services -A · `
	var got bytes.Buffer
	NewUp(&got, false).URLs(URLs{Config: &ir.Config{}, Network: n, DNS: "127.0.0.1:5353", Zone: "cluster.local", Admin: "127.0.0.1:10254", Pods: "1 Pod ready"})
	if !strings.Contains(got.String(), want) {
		t.Errorf("got\n%s\nwant\n%s", &got, want)
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	shop := ir.Ref{Kind: "Ingress", Namespace: "d", Name: "shop"}
	route := func(match ir.MatchKind, path, pattern string) *ir.Route {
		return &ir.Route{Path: path, PathType: "Prefix", Match: match, Pattern: pattern, Ingress: shop, Service: "shop", ServicePort: "80", Backend: "d/shop/80"}
	}
	slash := route(ir.MatchExact, "/docs/", "/docs")
	slash.Redirect = &ir.Redirect{Code: 301, AppendSlash: true}
	var many []*ir.Host
	for i := range maxURLs + 3 {
		many = append(many, &ir.Host{Name: fmt.Sprintf("h%d", i), Routes: []*ir.Route{route(ir.MatchPrefix, "/", "/")}})
	}
	tests := map[string]struct {
		hosts []*ir.Host
		want  string
	}{
		"one screen": {many, "  http://h29:8080/   service shop:80   d/shop\n  … and 3 more: daemun get routes -A\n\n  try "},
		"none":       {nil, "  No Ingress has a URL yet, and there is no Service.\n\n  look "},
		"expressions are cut to what one can ask for": {
			[]*ir.Host{{Name: "h", RegexMode: true, Routes: []*ir.Route{route(ir.MatchRegex, "/api(/|$)(.*)", "^/api(/|$)(.*)"), route(ir.MatchRegex, "/p", "^/p/"), route(ir.MatchRegex, "/p", "^/p")}}},
			"  http://h:8080/api   service shop:80   d/shop\n  http://h:8080/p     service shop:80   d/shop\n\n  try      curl --resolve h:8080:127.0.0.1 'http://h:8080/api'\n",
		},
		"the automatic slash is no URL of its own": {
			[]*ir.Host{{Name: "h", Routes: []*ir.Route{slash, route(ir.MatchPrefix, "/docs/", "/docs/")}}},
			"INGRESS\n  http://h:8080/docs/   service shop:80   d/shop\n\n  try ",
		},
	}
	for name, tt := range tests {
		var got bytes.Buffer
		NewUp(&got, false).URLs(URLs{Config: &ir.Config{Hosts: tt.hosts}, HTTP: "127.0.0.1:8080", HTTPS: "127.0.0.1:8443", Admin: "127.0.0.1:10254", Pods: "1 Pod ready"})
		if !strings.Contains(got.String(), tt.want) {
			t.Errorf("%s:\n%s\nwant\n%s", name, &got, tt.want)
		}
	}
}
