package cluster

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"daemun/test/cluster/lab"
)

var (
	ingresses = flag.Int("scale", 200, "number of Ingresses of TestScale; a tenth as many Services, with 20 endpoints each")
	samples   = flag.Int("samples", 20, "number of times that TestScale measures each latency")
)

// crowd is a namespace with many Ingresses. Its endpoints are addresses of the
// Pod network; the test answers on all of them, with the address.
type crowd struct {
	*lab.User
	namespace string
	next      netip.Addr
}

const perService = 20

// TestScale fills a cluster with Ingresses and says what Daemun needs for them:
// time until it is ready, memory, and how long after the API server's answer a
// change is seen in the traffic. It checks that all of it works; the figures
// are for people (make bench-cluster).
func TestScale(t *testing.T) {
	own, err := lab.Start(t.TempDir(), programs, lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(own.Stop)
	u := own.For(t)
	serveAnyAddress(t)
	c := &crowd{User: u, namespace: u.Namespace(nil), next: netip.MustParseAddr("10.244.128.1")}
	u.Apply("{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: nginx}, spec: {controller: k8s.io/ingress-nginx}}")
	began := time.Now()
	services := max(1, *ingresses/10)
	inParallel(t, services, c.service)
	inParallel(t, *ingresses, func(ctx context.Context, i int) error { return c.ingress(ctx, i, i%services) })
	t.Logf("%d Ingresses, %d Services, %d endpoints; made in %v", *ingresses, services, services*perService, time.Since(began).Round(time.Second))

	began = time.Now()
	d := u.Controller("--update-status=false", "--disable-sync-events")
	t.Logf("ready after %v", time.Since(began).Round(time.Millisecond))
	for _, i := range []int{0, *ingresses / 2, *ingresses - 1} {
		d.Until(fmt.Sprintf("http://host-%d.test/", i), 200, "10.244.")
	}
	report(t, d, "ready")
	idle(t, d)

	t.Logf("a new Ingress is served after: %s", measure(t, func(i int) time.Duration { return c.newIngress(t, d, i) }))
	t.Logf("a new endpoint is used after: %s", measure(t, func(i int) time.Duration { return c.newEndpoint(t, d, i%services) }))
	c.churn(t, d, services)
	report(t, d, "at the end")
}

// serveAnyAddress answers on every address of the Pod network with the address.
func serveAnyAddress(t *testing.T) {
	l, err := net.Listen("tcp", "0.0.0.0:3000")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		fmt.Fprint(w, netip.MustParseAddrPort(local.String()).Addr())
	})}
	go s.Serve(l) // ends with Close
	t.Cleanup(func() { s.Close() })
}

// inParallel calls a function for 0 to n-1, eight at once.
func inParallel(t *testing.T, n int, each func(ctx context.Context, i int) error) {
	t.Helper()
	work := make(chan int)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for i := range work {
				if err := each(t.Context(), i); err != nil {
					t.Errorf("object %d: %v", i, err)
				}
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	wait.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

func (c *crowd) meta(name string) map[string]any {
	return map[string]any{"name": name, "namespace": c.namespace}
}

func (c *crowd) service(ctx context.Context, i int) error {
	name := fmt.Sprintf("service-%d", i)
	_, err := c.Cluster.Client().Create(ctx, lab.Object{
		"apiVersion": "v1", "kind": "Service", "metadata": c.meta(name),
		"spec": map[string]any{"ports": []any{map[string]any{"name": "http", "port": 80, "targetPort": 3000}}},
	})
	if err != nil {
		return err
	}
	var addresses []string
	for j := range perService {
		n := i*perService + j
		addresses = append(addresses, netip.AddrFrom4([4]byte{10, 244, byte(n / 250), byte(1 + n%250)}).String())
	}
	slice := c.slice(i, addresses)
	_, err = c.Cluster.Client().Create(ctx, slice)
	return err
}

func (c *crowd) slice(i int, addresses []string) lab.Object {
	meta := c.meta(fmt.Sprintf("service-%d-x", i))
	meta["labels"] = map[string]any{"kubernetes.io/service-name": fmt.Sprintf("service-%d", i)}
	var endpoints []any
	for _, a := range addresses {
		endpoints = append(endpoints, map[string]any{"addresses": []any{a}, "conditions": map[string]any{"ready": true}})
	}
	return lab.Object{
		"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": meta, "addressType": "IPv4",
		"ports":     []any{map[string]any{"name": "http", "port": 3000, "protocol": "TCP"}},
		"endpoints": endpoints,
	}
}

func (c *crowd) ingress(ctx context.Context, i, service int) error {
	_, err := c.Cluster.Client().Create(ctx, lab.Object{
		"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": c.meta(fmt.Sprintf("ingress-%d", i)),
		"spec": map[string]any{"ingressClassName": "nginx", "rules": []any{map[string]any{
			"host": fmt.Sprintf("host-%d.test", i),
			"http": map[string]any{"paths": []any{map[string]any{"path": "/", "pathType": "Prefix", "backend": map[string]any{
				"service": map[string]any{"name": fmt.Sprintf("service-%d", service), "port": map[string]any{"number": 80}},
			}}}},
		}}},
	})
	return err
}

// newIngress makes one more Ingress and returns the time from the API server's
// answer to the first good response.
func (c *crowd) newIngress(t *testing.T, d *lab.Controller, i int) time.Duration {
	n := *ingresses + i
	if err := c.ingress(t.Context(), n, 0); err != nil {
		t.Fatal(err)
	}
	return until(t, d, fmt.Sprintf("http://host-%d.test/", n), func(status int, _ string) bool { return status == http.StatusOK })
}

// newEndpoint gives a Service one other endpoint and returns the time from the
// API server's answer to the first response from it.
func (c *crowd) newEndpoint(t *testing.T, d *lab.Controller, service int) time.Duration {
	address := c.next.String()
	c.next = c.next.Next()
	if err := c.Cluster.Client().Patch(t.Context(), "discovery.k8s.io/v1", "EndpointSlice", c.namespace, fmt.Sprintf("service-%d-x", service),
		map[string]any{"endpoints": c.slice(service, []string{address})["endpoints"]}); err != nil {
		t.Fatal(err)
	}
	return until(t, d, fmt.Sprintf("http://host-%d.test/", service), func(_ int, body string) bool { return body == address })
}

// until asks again and again, without a pause, until an answer is right.
func until(t *testing.T, d *lab.Controller, url string, right func(status int, body string) bool) time.Duration {
	t.Helper()
	client := d.Client()
	defer client.CloseIdleConnections()
	began := time.Now()
	deadline := began.Add(time.Minute)
	for time.Now().Before(deadline) {
		status, body, err := lab.Ask(t.Context(), client, url)
		if err != nil {
			t.Fatal(err)
		}
		if right(status, body) {
			return time.Since(began)
		}
	}
	t.Fatalf("%s is not answered as it should be", url)
	return 0
}

// measure takes samples and returns their median, 99th percentile and maximum.
func measure(t *testing.T, sample func(i int) time.Duration) string {
	t.Helper()
	var all []time.Duration
	for i := range *samples {
		all = append(all, sample(i))
	}
	slices.Sort(all)
	round := func(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
	return fmt.Sprintf("p50 %v, p99 %v, at most %v (%d samples)", round(all[len(all)/2]), round(all[(len(all)-1)*99/100]), round(all[len(all)-1]), len(all))
}

// churn changes endpoints as fast as 100 times a second and says what that
// costs.
func (c *crowd) churn(t *testing.T, d *lab.Controller, services int) {
	const perSecond = 100
	before, err := d.Usage()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	tick := time.NewTicker(time.Second / perSecond)
	defer tick.Stop()
	changes := *samples * 10
	inParallel(t, changes, func(ctx context.Context, i int) error {
		<-tick.C
		address := netip.AddrFrom4([4]byte{10, 244, 200, byte(1 + i%250)}).String()
		return c.Cluster.Client().Patch(ctx, "discovery.k8s.io/v1", "EndpointSlice", c.namespace, fmt.Sprintf("service-%d-x", i%services),
			map[string]any{"endpoints": c.slice(i%services, []string{address})["endpoints"]})
	})
	took := time.Since(began)
	after, err := d.Usage()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.0f endpoint changes a second take %.1f %% of a core", float64(changes)/took.Seconds(), 100*(after.CPU-before.CPU).Seconds()/took.Seconds())
}

// idle says what Daemun takes while nothing happens.
func idle(t *testing.T, d *lab.Controller) {
	t.Helper()
	before, err := d.Usage()
	if err != nil {
		t.Fatal(err)
	}
	span := time.Duration(*samples) * 100 * time.Millisecond
	<-time.After(span)
	after, err := d.Usage()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("idle it takes %.1f %% of a core", 100*(after.CPU-before.CPU).Seconds()/span.Seconds())
}

func report(t *testing.T, d *lab.Controller, when string) {
	t.Helper()
	u, err := d.Usage()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d MiB resident, %d MiB at most, %v of CPU time", when, u.Resident>>20, u.Peak>>20, u.CPU)
}
