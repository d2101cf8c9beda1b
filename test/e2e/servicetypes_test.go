package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"daemun/internal/daemuntest"
)

// nodeAddresses are the addresses of the nodes by name.
func nodeAddresses(t *testing.T, d *daemuntest.Instance) map[string]string {
	t.Helper()
	out, code := d.Run("get", "nodes", "-o", "json")
	var nodes []struct {
		Metadata struct{ Name string }
		Status   struct {
			Addresses []struct{ Type, Address string }
		}
	}
	if err := json.Unmarshal([]byte(out), &nodes); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v:\n%s", code, err, out)
	}
	all := map[string]string{}
	for _, n := range nodes {
		for _, a := range n.Status.Addresses {
			if a.Type == "InternalIP" {
				all[n.Metadata.Name] = a.Address
			}
		}
	}
	return all
}

// served and refused wait until an address is.
func served(d *daemuntest.Instance, address string) {
	d.Eventually(10*time.Second, address+" serves", func() error { _, err := askFrom("", address); return err })
}

func refused(d *daemuntest.Instance, address string) {
	d.Eventually(10*time.Second, address+" refuses", func() error {
		if _, err := askFrom("", address); !errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("%w, want refused", err)
		}
		return nil
	})
}

// TestNodePortOnNodes: a node port answers on every node and on the addresses
// beside them, and no longer on a node that is gone.
func TestNodePortOnNodes(t *testing.T) {
	t.Parallel()
	d := up(t, map[string]string{"nodes.yaml": twoNodes, "web.yaml": echoApp{name: "web", replicas: 1, service: "type: NodePort\n"}.String()})
	port := fmt.Sprint(service(t, d, "web").Spec.Ports[0].NodePort)
	nodes := nodeAddresses(t, d)
	if len(nodes) != 2 {
		t.Fatalf("nodes %v", nodes)
	}
	host := netip.MustParsePrefix(d.Networks.NodePorts).Addr().String()
	served(d, net.JoinHostPort(nodes["a"], port))
	served(d, net.JoinHostPort(nodes["b"], port))
	served(d, net.JoinHostPort(host, port))
	d.Write("nodes.yaml", oneNode)
	refused(d, net.JoinHostPort(nodes["b"], port))
	served(d, net.JoinHostPort(nodes["a"], port))
	served(d, net.JoinHostPort(host, port))
}

// kept is one connection that makes a request now and then.
type kept struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func keep(t *testing.T, address string) *kept {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &kept{t: t, conn: conn, in: bufio.NewReader(conn)}
}

func (k *kept) lives(when string) {
	k.t.Helper()
	_ = k.conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := fmt.Fprintf(k.conn, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		k.t.Errorf("the open connection %s: %v", when, err)
		return
	}
	resp, err := http.ReadResponse(k.in, nil)
	if err != nil {
		k.t.Errorf("the open connection %s: %v", when, err)
		return
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		k.t.Errorf("the open connection %s: %d, %v", when, resp.StatusCode, err)
	}
}

// TestServiceChangesType: what both types have stays as it is, what only the
// old one had is gone at once, and open connections live on (services §1.4).
func TestServiceChangesType(t *testing.T) {
	t.Parallel()
	app := echoApp{name: "web", replicas: 1}
	d := up(t, map[string]string{"web.yaml": app.deployment(), "svc.yaml": app.svc()})
	become := func(kind string) shown {
		t.Helper()
		app.service = "type: " + kind + "\n"
		d.Write("svc.yaml", app.svc())
		d.Eventually(10*time.Second, "type "+kind, func() error {
			if now := service(t, d, "web"); now.Spec.Type != kind {
				return fmt.Errorf("type is %s", now.Spec.Type)
			}
			return nil
		})
		return service(t, d, "web")
	}
	host := netip.MustParsePrefix(d.Networks.NodePorts).Addr().String()
	clusterIP := service(t, d, "web").Spec.ClusterIP
	served(d, clusterIP+":8080")
	open := []*kept{keep(t, clusterIP+":8080")}
	live := func(when string) {
		t.Helper()
		for _, k := range open {
			k.lives(when)
		}
	}

	node := fmt.Sprintf("%s:%d", host, become("NodePort").Spec.Ports[0].NodePort)
	served(d, node)
	open = append(open, keep(t, node))
	live("as NodePort")

	balanced := become("LoadBalancer")
	if now := fmt.Sprintf("%s:%d", host, balanced.Spec.Ports[0].NodePort); now != node || balanced.Spec.ClusterIP != clusterIP {
		t.Errorf("as LoadBalancer: node port %s, cluster IP %s; before %s, %s", now, balanced.Spec.ClusterIP, node, clusterIP)
	}
	balancer := balanced.Status.LoadBalancer.Ingress[0].IP + ":8080"
	served(d, balancer)
	served(d, node)
	open = append(open, keep(t, balancer))
	live("as LoadBalancer")

	// A file is a new object: what is not of the type goes.
	app.service = ""
	d.Write("svc.yaml", "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  type: ExternalName\n  externalName: elsewhere.default.svc.cluster.local\n")
	for _, address := range []string{clusterIP + ":8080", node, balancer} {
		refused(d, address)
	}
	live("as ExternalName")

	if now := become("ClusterIP"); now.Spec.ClusterIP != clusterIP || now.Spec.Ports[0].NodePort != 0 || len(now.Status.LoadBalancer.Ingress) != 0 {
		t.Errorf("as ClusterIP again: %+v, want address %s and nothing else", now, clusterIP)
	}
	served(d, clusterIP+":8080")
	refused(d, node)
	refused(d, balancer)
	live("as ClusterIP again")
}

// TestLoadBalancerLocal: only the node that has the Pod says so on the health
// check port, and the Service follows the Pod to another node.
func TestLoadBalancerLocal(t *testing.T) {
	t.Parallel()
	on := func(node string) string {
		app := echoApp{name: "web", replicas: 1}.deployment()
		return strings.Replace(app, "    spec:\n      containers:", "    spec:\n      nodeName: "+node+"\n      containers:", 1)
	}
	d := up(t, map[string]string{"nodes.yaml": twoNodes, "web.yaml": on("a"), "lb.yaml": lbService("web", "Local")})
	nodes, s := nodeAddresses(t, d), service(t, d, "web")
	follows := func(has, hasNot string) {
		t.Helper()
		d.Eventually(20*time.Second, "health checks with the Pod on "+has, func() error {
			return errors.Join(
				healthOf(nodes[has], s.Spec.HealthCheckNodePort, http.StatusOK, 1),
				healthOf(nodes[hasNot], s.Spec.HealthCheckNodePort, http.StatusServiceUnavailable, 0))
		})
		served(d, s.Status.LoadBalancer.Ingress[0].IP+":8080")
		served(d, fmt.Sprintf("%s:%d", nodes[has], s.Spec.Ports[0].NodePort))
		// Until the Pod that leaves has ended it still serves its node.
		unanswered(t, d, "127.7.8.9", fmt.Sprintf("%s:%d", nodes[hasNot], s.Spec.Ports[0].NodePort))
	}
	follows("a", "b")
	d.Write("web.yaml", on("b"))
	follows("b", "a")
}

// healthOf asks a health check port.
func healthOf(node string, port, status, endpoints int) error {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(fmt.Sprintf("http://%s:%d/", node, port))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var health struct {
		Service        struct{ Namespace, Name string }
		LocalEndpoints int
	}
	if err := json.NewDecoder(resp.Body).Decode(&health); err != nil {
		return err
	}
	if resp.StatusCode != status || health.LocalEndpoints != endpoints || health.Service.Name != "web" {
		return fmt.Errorf("%s answers %d, %+v; want %d and %d endpoints", node, resp.StatusCode, health, status, endpoints)
	}
	return nil
}

// unanswered waits until a client hears nothing; where the kernel permits no
// filter it is reset.
func unanswered(t *testing.T, d *daemuntest.Instance, source, address string) {
	t.Helper()
	d.Eventually(10*time.Second, "no answer from "+address+" to "+source, func() error {
		dialer := net.Dialer{Timeout: 300 * time.Millisecond, LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
		conn, err := dialer.Dial("tcp", address)
		if err != nil {
			if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
				return nil
			}
			return err
		}
		defer conn.Close()
		_ = conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		_, err = conn.Read(make([]byte, 1))
		if errors.Is(err, syscall.ECONNRESET) && strings.Contains(problemsOf(t, d), "[DMN0656]") {
			return nil
		}
		return fmt.Errorf("connected, then %w", err)
	})
}

// TestLoadBalancerSourceRanges: who is outside hears nothing at the load
// balancer's address, and may use the others.
func TestLoadBalancerSourceRanges(t *testing.T) {
	t.Parallel()
	lb := lbService("web", "Cluster") + "  loadBalancerSourceRanges: [127.7.0.0/16]\n"
	d := up(t, map[string]string{"web.yaml": echoApp{name: "web", replicas: 1}.deployment(), "lb.yaml": lb})
	s := service(t, d, "web")
	balancer := s.Status.LoadBalancer.Ingress[0].IP + ":8080"
	const inside, outside = "127.7.8.9", "127.6.8.9"
	d.Eventually(20*time.Second, "a client inside", func() error { _, err := askFrom(inside, balancer); return err })
	unanswered(t, d, outside, balancer)
	for _, source := range []string{inside, outside} {
		if _, err := askFrom(source, s.Spec.ClusterIP+":8080"); err != nil {
			t.Errorf("the cluster IP from %s: %v", source, err)
		}
	}
	d.Write("lb.yaml", strings.Replace(lb, "127.7.0.0/16", "127.6.0.0/16", 1))
	d.Eventually(10*time.Second, "the other client", func() error { _, err := askFrom(outside, balancer); return err })
	unanswered(t, d, inside, balancer)
}
