package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"daemun/internal/daemuntest"
)

// resolver asks the DNS server of an instance, as a Go program in a Pod would.
func resolver(d *daemuntest.Instance) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, d.DNS)
	}}
}

// lookup returns the addresses of a Service of the namespace default, sorted.
func lookup(d *daemuntest.Instance, service string) ([]string, error) {
	found, err := resolver(d).LookupHost(context.Background(), service+".default.svc.cluster.local.")
	slices.Sort(found)
	return found, err
}

// oneAddress waits until a Service has one address.
func oneAddress(t *testing.T, d *daemuntest.Instance, service string) (address string) {
	t.Helper()
	d.Eventually(20*time.Second, "address of "+service, func() error {
		found, err := lookup(d, service)
		if err == nil && len(found) != 1 {
			err = fmt.Errorf("%d addresses", len(found))
		}
		if err == nil {
			address = found[0]
		}
		return err
	})
	return address
}

// shown is what `get services -o json` shows of a Service.
type shown struct {
	Metadata struct{ Name string }
	Spec     struct {
		Type, ClusterIP     string
		HealthCheckNodePort int
		Ports               []struct{ Port, NodePort int }
	}
	Status struct {
		LoadBalancer struct{ Ingress []struct{ IP string } }
	}
}

func service(t *testing.T, d *daemuntest.Instance, name string) (s shown) {
	t.Helper()
	out, code := d.Run("get", "service", name, "-o", "json")
	if err := json.Unmarshal([]byte(out), &s); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v:\n%s", code, err, out)
	}
	return s
}

func allServices(t *testing.T, d *daemuntest.Instance) (all []shown) {
	t.Helper()
	out, code := d.Run("get", "services", "-A", "-o", "json")
	if err := json.Unmarshal([]byte(out), &all); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v:\n%s", code, err, out)
	}
	return all
}

// askFrom makes one HTTP request on a connection of its own that comes from an
// address of this machine ("" is any) and returns the echo.
func askFrom(source, address string) (e daemuntest.Echo, err error) {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	if source != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(source)}
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
	resp, err := client.Get("http://" + address + "/")
	if err != nil {
		return e, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(body, &e)
	}
	return e, err
}

const (
	oneNode  = "apiVersion: v1\nkind: Node\nmetadata:\n  name: a\n"
	twoNodes = oneNode + "---\napiVersion: v1\nkind: Node\nmetadata:\n  name: b\n"
)

// TestServiceSourceAddresses: who the server sees depends on the kind of
// address and on the policy (services §5.3).
func TestServiceSourceAddresses(t *testing.T) {
	t.Parallel()
	app := echoApp{name: "web", replicas: 1}
	d := up(t, map[string]string{
		"nodes.yaml": twoNodes,
		"web.yaml":   app.deployment(),
		"svc.yaml":   lbService("web", "Cluster"),
		"local.yaml": lbService("web-local", "Local"),
	})
	cluster, lb := service(t, d, "web"), service(t, d, "web-local")
	prefix := netip.MustParsePrefix(d.Networks.Nodes)
	isNode := func(a netip.Addr) bool { return prefix.Contains(a) }
	const client = "127.7.8.9"
	isClient := func(a netip.Addr) bool { return a == netip.MustParseAddr(client) }
	nodePorts := netip.MustParsePrefix(d.Networks.NodePorts).Addr()
	for _, c := range []struct {
		name, address string
		want          func(netip.Addr) bool
	}{
		{"cluster IP", cluster.Spec.ClusterIP + ":8080", isClient},
		{"load balancer, Cluster", cluster.Status.LoadBalancer.Ingress[0].IP + ":8080", isNode},
		{"node port, Cluster", fmt.Sprintf("%s:%d", nodePorts, cluster.Spec.Ports[0].NodePort), isNode},
		{"load balancer, Local", lb.Status.LoadBalancer.Ingress[0].IP + ":8080", isClient},
	} {
		d.Eventually(10*time.Second, c.name, func() error {
			e, err := askFrom(client, c.address)
			if err != nil {
				return err
			}
			seen, err := netip.ParseAddrPort(e.RemoteAddr)
			if err == nil && !c.want(seen.Addr()) {
				err = fmt.Errorf("the server sees %s", seen)
			}
			return err
		})
	}
}

func lbService(name, policy string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Service
metadata:
  name: %s
spec:
  type: LoadBalancer
  externalTrafficPolicy: %s
  selector:
    app: web
  ports:
    - name: http
      port: 8080
      targetPort: http
`, name, policy)
}

// TestServiceWithoutEndpoints: refused at once, served as soon as there is a
// Pod, refused again when the last one goes; a connection that is open lives on
// through edits of the Service.
func TestServiceWithoutEndpoints(t *testing.T) {
	t.Parallel()
	app := echoApp{name: "web", replicas: 1}
	d := up(t, map[string]string{"svc.yaml": app.svc()})
	address := oneAddress(t, d, "web") + ":8080"
	if _, err := askFrom("", address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("without Pods: %v, want refused", err)
	}
	d.Write("web.yaml", app.deployment())
	d.Eventually(20*time.Second, "served", func() error { _, err := askFrom("", address); return err })
	open, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	app.service = "  - name: more\n    port: 8081\n    targetPort: http\n"
	d.Write("svc.yaml", app.svc())
	d.Eventually(20*time.Second, "second port", func() error {
		_, err := askFrom("", strings.Replace(address, ":8080", ":8081", 1))
		return err
	})
	if _, err := fmt.Fprint(open, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"); err != nil {
		t.Error(err)
	}
	if err := open.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(open); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200") {
		t.Errorf("open connection after an edit: %v, %q", err, answer)
	}
	d.Remove("web.yaml")
	d.Eventually(20*time.Second, "refused", func() error {
		if _, err := askFrom("", address); !errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("%w, want refused", err)
		}
		return nil
	})
}

// TestServiceSoak asks a ClusterIP and a headless name while Pods come, go and
// turn unready: nothing is refused, nothing goes to a Pod that is known to be
// unready, and DNS names no such Pod. It lasts as long as the churn test.
func TestServiceSoak(t *testing.T) {
	app := echoApp{name: "web", replicas: 3, container: probe("readinessProbe", "/ready")}
	headless := strings.Replace(echoApp{name: "headless"}.svc(), "spec:\n", "spec:\n  clusterIP: None\n", 1)
	headless = strings.Replace(headless, "app: headless", "app: web", 1)
	d := up(t, map[string]string{"web.yaml": app.String(), "headless.yaml": headless})
	s := &soak{d: d, address: oneAddress(t, d, "web") + ":8080"}
	ctx, stop := context.WithTimeout(t.Context(), churnTime(t)+time.Minute)
	defer stop()
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() { s.ask(ctx, fmt.Sprintf("127.7.9.%d", i+1)) })
	}
	clients.Go(func() { s.resolve(ctx) })
	s.churn(ctx, t, app)
	stop()
	clients.Wait()
	t.Logf("%d requests, %d lookups, %d Pods made unready", s.requests.Load(), s.lookups.Load(), s.turned)
	if s.requests.Load() == 0 || s.lookups.Load() == 0 || s.turned == 0 {
		t.Error("nothing was tried")
	}
	for _, f := range s.failures {
		t.Error(f)
	}
}

type soak struct {
	d                 *daemuntest.Instance
	address           string
	requests, lookups atomic.Int64
	turned            int

	// unready is the Pod that everybody knows to be unready: its name and
	// address.
	unready atomic.Pointer[[2]string]

	mu       sync.Mutex
	failures []string
}

func (s *soak) fail(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.failures) < 20 {
		s.failures = append(s.failures, fmt.Sprintf(format, args...))
	}
}

func (s *soak) ask(ctx context.Context, source string) {
	for ctx.Err() == nil {
		unready := s.unready.Load()
		e, err := askFrom(source, s.address)
		s.requests.Add(1)
		switch {
		case err != nil:
			s.fail("request: %v", err)
		// Unready before the request and still the same after it.
		case unready != nil && unready == s.unready.Load() && e.Pod == unready[0]:
			s.fail("request went to Pod %s, which was not ready", e.Pod)
		}
	}
}

func (s *soak) resolve(ctx context.Context) {
	for ctx.Err() == nil {
		unready := s.unready.Load()
		found, err := lookup(s.d, "headless")
		s.lookups.Add(1)
		switch {
		case err != nil:
			s.fail("lookup: %v", err)
		case unready != nil && unready == s.unready.Load() && slices.Contains(found, unready[1]):
			s.fail("lookup gave %s of Pod %s, which was not ready", unready[1], unready[0])
		}
	}
}

// churn makes one Pod after the other unready and ready again, replaces all of
// them, and changes their number.
func (s *soak) churn(ctx context.Context, t *testing.T, app echoApp) {
	end := time.Now().Add(churnTime(t))
	for round := 0; ctx.Err() == nil && (s.turned == 0 || time.Now().Before(end)); round++ {
		switch round % 3 {
		case 0:
			s.turn(ctx, t)
		case 1:
			app.env = map[string]string{"ROUND": fmt.Sprint(round)}
			s.d.Write("web.yaml", app.String())
		case 2:
			app.replicas = 3 + round%2*2
			s.d.Write("web.yaml", app.String())
		}
		s.settle(ctx, app.replicas)
	}
}

// settle waits until the wanted number of Pods is ready.
func (s *soak) settle(ctx context.Context, replicas int) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		if found, err := lookup(s.d, "headless"); err == nil && len(found) == replicas {
			return
		}
		<-tick.C
	}
}

// turn makes a Pod unready for a second.
func (s *soak) turn(ctx context.Context, t *testing.T) {
	e, err := askFrom("", s.address)
	if err != nil {
		s.fail("request: %v", err)
		return
	}
	address := ""
	for _, p := range endpointsOf(t, s.d, "web") {
		if p.Pod == e.Pod {
			address, _, _ = net.SplitHostPort(p.Address)
		}
	}
	post := func(ready string) error {
		resp, err := http.Post("http://"+address+":3000/ready?ready="+ready, "", nil)
		if err == nil {
			err = resp.Body.Close()
		}
		return err
	}
	if err := post("false"); err != nil {
		return // it is being replaced
	}
	defer post("true")
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ctx.Err() == nil && n < 40; <-tick.C {
		now := endpointsOf(t, s.d, "web")
		i := slices.IndexFunc(now, func(p endpoint) bool { return p.Pod == e.Pod })
		switch {
		case i < 0:
			return
		case now[i].Ready:
			continue
		case n == 0 && !s.avoided(e.Pod, address):
			continue
		case n == 0:
			s.turned++
			s.unready.Store(&[2]string{e.Pod, address})
			defer s.unready.Store(nil)
		}
		n++
	}
}

// avoided reports that what the API says of an unready Pod has reached traffic
// and names, which follow it: many requests in a row went elsewhere.
func (s *soak) avoided(pod, address string) bool {
	for range 40 { // by chance one time in ten million
		if e, err := askFrom("", s.address); err != nil || e.Pod == pod {
			return false
		}
	}
	found, err := lookup(s.d, "headless")
	return err == nil && !slices.Contains(found, address)
}

// endpoint is one row of `get endpoints -o json`.
type endpoint struct {
	Address, Pod string
	Ready        bool
}

func endpointsOf(t *testing.T, d *daemuntest.Instance, service string) []endpoint {
	t.Helper()
	out, code := d.Run("get", "endpoints", service, "-o", "json")
	var row struct{ Addresses []endpoint }
	if err := json.Unmarshal([]byte(out), &row); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v:\n%s", code, err, out)
	}
	return row.Addresses
}

// TestServiceIsNoEndpoint: a Service whose endpoint is its own external address
// resets its clients at once, instead of passing a connection, or a datagram,
// round and round; explain says why.
func TestServiceIsNoEndpoint(t *testing.T) {
	t.Parallel()
	own := fmt.Sprintf("127.9.%d.%d", os.Getpid()>>8&0xff, os.Getpid()&0xff)
	d := up(t, map[string]string{"loop.yaml": strings.ReplaceAll(`
apiVersion: v1
kind: Service
metadata: {name: loop}
spec:
  externalIPs: [OWN]
  ports: [{name: stream, port: 17070}, {name: datagram, port: 17070, protocol: UDP}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: loop-1, labels: {kubernetes.io/service-name: loop}}
addressType: IPv4
ports: [{name: stream, port: 17070}, {name: datagram, port: 17070, protocol: UDP}]
endpoints: [{addresses: [OWN]}]
`, "OWN", own)})
	address := oneAddress(t, d, "loop") + ":17070"
	if _, err := askFrom("", address); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
		t.Errorf("%v, want reset", err)
	}
	c, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("round")); err != nil {
		t.Fatal(err)
	}
	d.Eventually(10*time.Second, "a connection and a datagram turned away", func() error {
		resp, err := http.Get("http://" + d.Admin + "/metrics")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err == nil && !strings.Contains(string(text), `reason="dial filter"} 2`+"\n") {
			err = errors.New("not counted")
		}
		return err
	})
	if out, code := d.Run("explain", "tcp://loop:stream"); code != 0 || !strings.Contains(out, "reset: no endpoint may be reached through a Service: the address is one of a Service, never an endpoint") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}
