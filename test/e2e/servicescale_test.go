package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"daemun/internal/daemuntest"
)

// fleet are servers on several addresses and one port that answer with their
// address.
type fleet struct {
	hosts []string
	port  string
}

func newFleet(t *testing.T, size int) *fleet {
	t.Helper()
	f := &fleet{port: "0"}
	for n := range size {
		host := fmt.Sprintf("127.10.%d.%d", os.Getpid()%250, n+1)
		l, err := net.Listen("tcp", net.JoinHostPort(host, f.port))
		if err != nil {
			t.Fatal(err)
		}
		_, f.port, _ = net.SplitHostPort(l.Addr().String())
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, host) })}
		served := make(chan struct{})
		go func() { // ends with the test
			defer close(served)
			_ = server.Serve(l)
		}()
		t.Cleanup(func() { server.Close(); <-served })
		f.hosts = append(f.hosts, host)
	}
	return f
}

// member is one Service of a large number.
type member struct {
	number int
	shift  int // which servers are its endpoints
}

const endpointsEach = 4

func (m member) name() string   { return fmt.Sprintf("s-%d", m.number) }
func (m member) headless() bool { return m.number%3 == 0 }
func (m member) nodePort() bool { return m.number%5 == 1 && !m.headless() }

// endpoints are some of the servers, sorted.
func (m member) endpoints(f *fleet) (hosts []string) {
	for n := range endpointsEach {
		hosts = append(hosts, f.hosts[(m.number+m.shift+n)%len(f.hosts)])
	}
	slices.Sort(hosts)
	return hosts
}

func (m member) service() string {
	spec := ""
	switch {
	case m.headless():
		spec = "\n  clusterIP: None"
	case m.nodePort():
		spec = "\n  type: NodePort"
	}
	return fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata:\n  name: %s\nspec:%s\n  ports:\n  - name: http\n    port: 8080\n---\n", m.name(), spec)
}

func (m member) slice(f *fleet) string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: %[1]s\n  labels:\n    kubernetes.io/service-name: %[1]s\n"+
		"addressType: IPv4\nports:\n- name: http\n  port: %[2]s\nendpoints:\n", m.name(), f.port)
	for _, host := range m.endpoints(f) {
		fmt.Fprintf(&b, "- addresses: [%s]\n", host)
	}
	return b.String() + "---\n"
}

// check compares what DNS says and what answers with what should.
func (m member) check(d *daemuntest.Instance, f *fleet, nodePorts map[string]int) error {
	found, err := lookup(d, m.name())
	if err != nil {
		return err
	}
	want := m.endpoints(f)
	if m.headless() {
		if !slices.Equal(found, want) {
			return fmt.Errorf("%s: DNS has %v, want %v", m.name(), found, want)
		}
		return nil
	}
	if len(found) != 1 {
		return fmt.Errorf("%s: addresses %v", m.name(), found)
	}
	at := []string{found[0] + ":8080"}
	if m.nodePort() {
		at = append(at, fmt.Sprintf("%s:%d", netip.MustParsePrefix(d.Networks.NodePorts).Addr(), nodePorts[m.name()]))
	}
	for _, address := range at {
		if got := bodyOf("http://" + address + "/"); !slices.Contains(want, got) {
			return fmt.Errorf("%s: %s leads to %q, want one of %v", m.name(), address, got, want)
		}
	}
	return nil
}

func bodyOf(url string) string {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

// TestServiceScale runs many Services, and moves the endpoints of some: every
// one has addresses of its own, and DNS and layer 4 agree on where they lead.
func TestServiceScale(t *testing.T) {
	t.Parallel()
	count := 300
	if text := os.Getenv("DAEMUN_SCALE"); text != "" {
		var err error
		if count, err = strconv.Atoi(text); err != nil {
			t.Fatalf("DAEMUN_SCALE: %v", err)
		}
	}
	f := newFleet(t, 16)
	members, manifests := make([]member, count), map[string]string{}
	const perFile = 20
	for n := range members {
		members[n].number = n
		manifests[fmt.Sprintf("services-%03d.yaml", n/perFile)] += members[n].service()
		manifests[fmt.Sprintf("slices-%03d.yaml", n/perFile)] += members[n].slice(f)
	}
	start := time.Now()
	d := up(t, manifests)
	t.Logf("%d Services: ready %v after the start, resident memory %d MiB",
		count, time.Since(start).Round(time.Millisecond), daemuntest.RSS(t, d.Process.Pid)>>20)
	nodePorts := allNodePorts(t, d, members)
	for _, m := range members {
		if err := m.check(d, f, nodePorts); err != nil {
			t.Error(err)
		}
	}

	for file := range 3 {
		text := ""
		for n := file * perFile; n < (file+1)*perFile; n++ {
			members[n].shift = endpointsEach // none in common with before
			text += members[n].slice(f)
		}
		d.Write(fmt.Sprintf("slices-%03d.yaml", file), text)
	}
	for _, m := range members[:4*perFile] {
		d.Eventually(20*time.Second, m.name(), func() error { return m.check(d, f, nodePorts) })
	}
	names, err := resolver(d).LookupAddr(context.Background(), members[0].endpoints(f)[0])
	if err != nil || !slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, ".s-0.default.svc.cluster.local.") }) {
		t.Errorf("reverse name of an endpoint of s-0: %v, %v", names, err)
	}
}

// allNodePorts are the node ports by Service; no two Services share an address
// or a port.
func allNodePorts(t *testing.T, d *daemuntest.Instance, members []member) map[string]int {
	t.Helper()
	ports, taken := map[string]int{}, map[string]string{}
	for _, s := range allServices(t, d) {
		owned := []string{s.Spec.ClusterIP}
		for _, p := range s.Spec.Ports {
			if p.NodePort != 0 {
				ports[s.Metadata.Name] = p.NodePort
				owned = append(owned, fmt.Sprint(p.NodePort))
			}
		}
		for _, what := range owned {
			if other, twice := taken[what]; twice && what != "None" {
				t.Errorf("%s and %s both have %s", other, s.Metadata.Name, what)
			}
			taken[what] = s.Metadata.Name
		}
	}
	for _, m := range members {
		if (ports[m.name()] != 0) != m.nodePort() {
			t.Errorf("%s has node port %d", m.name(), ports[m.name()])
		}
	}
	return ports
}
