package daemon

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/kube"
	"daemun/internal/kubetest"
	"daemun/internal/translate"
)

// succeed starts a controller that takes over at path, and does not wait. Its
// backends may be on loopback.
func succeed(t *testing.T, api *kubetest.Server, path string, change ...func(*ControllerConfig)) *instance {
	t.Helper()
	i := &instance{api: api, kill: make(chan struct{}), done: make(chan error, 1), log: &lockedBuffer{}, ready: filepath.Join(t.TempDir(), "ready.json")}
	i.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	c := ControllerConfig{
		GatewayConfig: GatewayConfig{
			Stdout: io.Discard, Stderr: i.log, ListenAddress: "127.0.0.1", AdminAddress: "127.0.0.1:0", ProfilerAddress: "127.0.0.1:0",
			Translate: translate.DefaultOptions(), DrainTimeout: 30 * time.Second, HandOver: path,
		},
		Access: kube.Access{Host: api.URL}, ReadyFile: i.ready, Metrics: true,
		Status:        StatusConfig{Update: true, Clear: true, Addresses: []string{"192.0.2.1"}, Interval: time.Minute},
		Election:      ElectionConfig{Enabled: true, ID: "leader", TTL: 2 * time.Second},
		ShutdownGrace: 0, PostShutdownGrace: 0,
	}
	for _, f := range change {
		f(&c)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	i.stop = cancel
	go func() {
		d, err := newController(ctx, c)
		if err == nil {
			d.refuse = nil
			err = d.run(ctx, i.kill)
		}
		i.done <- err
	}()
	t.Cleanup(func() {
		cancel()
		_ = i.wait()
		if t.Failed() {
			t.Log(i.log)
		}
	})
	return i
}

// takeOver is succeed and waits until the instance is ready.
func takeOver(t *testing.T, api *kubetest.Server, path string, change ...func(*ControllerConfig)) *instance {
	t.Helper()
	i := succeed(t, api, path, change...)
	await(t, "ready file", func() bool { return i.readAddresses() })
	return i
}

// site is a backend with an Ingress that leads to it.
type site struct {
	released chan struct{}
	release  func() // ends the response to /long
}

func newSite(t *testing.T, api *kubetest.Server) *site {
	t.Helper()
	s := &site{released: make(chan struct{})}
	s.release = sync.OnceFunc(func() { close(s.released) })
	backend := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(backend.Close)
	t.Cleanup(s.release)
	address := backend.Listener.Addr().(*net.TCPAddr)
	in := redirecting("web", "web.test", "")
	in.Annotations = map[string]string{"kubernetes.io/ingress.class": "nginx", "nginx.ingress.kubernetes.io/ssl-redirect": "false"}
	port := int32(address.Port)
	api.Put(t, in, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec:       corev1.ServiceSpec{ClusterIP: "10.0.0.1", Ports: []corev1.ServicePort{{Port: 80, Protocol: corev1.ProtocolTCP}}},
	}, &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "shop", Name: "web-1", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{"127.0.0.1"}}},
		Ports:       []discoveryv1.EndpointPort{{Name: new(""), Port: &port, Protocol: new(corev1.ProtocolTCP)}},
	})
	return s
}

func (s *site) serve(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/long":
		fmt.Fprint(w, "begin ")
		_ = http.NewResponseController(w).Flush()
		<-s.released
		fmt.Fprint(w, "end")
	case "/ws":
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
		_, _ = io.Copy(c, rw)
	default:
		_, _ = io.Copy(w, r.Body)
	}
}

// load asks without a pause until the test ends, and never asks twice.
type load struct {
	name, url string
	transport *http.Transport
	// want is a status without an echo; 0 is 200 with one.
	want     int
	answered atomic.Int64
}

func (l *load) run(ctx context.Context, t *testing.T) {
	client := &http.Client{Transport: l.transport}
	defer client.CloseIdleConnections()
	for n := 0; ctx.Err() == nil && !t.Failed(); n++ {
		text := fmt.Sprintf("%s %d", l.name, n)
		// A body that cannot be read twice: the client repeats nothing.
		r, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost, l.url, io.NopCloser(strings.NewReader(text)))
		if err != nil {
			t.Error(err)
			return
		}
		if strings.HasSuffix(l.url, "/readyz") {
			r.Method, r.Body = http.MethodGet, nil
		}
		r.Host = "web.test"
		res, err := client.Do(r)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			return
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != cmp.Or(l.want, http.StatusOK) || r.Method == http.MethodPost && l.want == 0 && string(b) != text {
			t.Errorf("%s: %s, %q, %v", text, res.Status, b, err)
			return
		}
		l.answered.Add(1)
	}
}

// loads are all ways to ask an instance.
func loads(i *instance) []*load {
	secure := func() *tls.Config { return &tls.Config{InsecureSkipVerify: true, ServerName: "web.test"} } //nolint:gosec // the certificate is made at the start
	return []*load{
		{name: "kept", url: "http://" + i.HTTP + "/", transport: &http.Transport{}},
		{name: "new", url: "http://" + i.HTTP + "/", transport: &http.Transport{DisableKeepAlives: true}},
		{name: "kept TLS", url: "https://" + i.HTTPS + "/", transport: &http.Transport{TLSClientConfig: secure()}},
		{name: "new TLS", url: "https://" + i.HTTPS + "/", transport: &http.Transport{TLSClientConfig: secure(), DisableKeepAlives: true}},
		{name: "HTTP/2", url: "https://" + i.HTTPS + "/", transport: &http.Transport{TLSClientConfig: secure(), ForceAttemptHTTP2: true}},
		{name: "probe", url: "http://" + i.Admin + "/readyz", transport: &http.Transport{DisableKeepAlives: true}},
	}
}

// underLoad returns a function that waits for some more answers of each kind,
// and one that ends the load.
func underLoad(t *testing.T, i *instance, others ...*load) (more func(), end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	all := append(loads(i), others...)
	for _, l := range all {
		running.Go(func() { l.run(ctx, t) })
	}
	end = func() { cancel(); running.Wait() }
	t.Cleanup(end)
	return func() {
		t.Helper()
		const some = 30
		before := make([]int64, len(all))
		for n, l := range all {
			before[n] = l.answered.Load()
		}
		for n, l := range all {
			await(t, "answers: "+l.name, func() bool { return t.Failed() || l.answered.Load() >= before[n]+some })
		}
		if t.Failed() {
			t.FailNow()
		}
	}, end
}

// long begins the response that lasts.
func long(t *testing.T, i *instance) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+i.HTTP+"/long", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "web.test"
	res, err := i.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// webSocket is an upgraded connection.
func webSocket(t *testing.T, i *instance) (echo func(string), end func()) {
	t.Helper()
	c, err := net.Dial("tcp", i.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprint(c, "GET /ws HTTP/1.1\r\nHost: web.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	br := bufio.NewReader(c)
	res, err := http.ReadResponse(br, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", res, err)
	}
	return func(text string) {
		t.Helper()
		b := make([]byte, len(text))
		if _, err := io.WriteString(c, text); err != nil {
			t.Error(err)
		} else if _, err := io.ReadFull(br, b); err != nil || string(b) != text {
			t.Errorf("%q, %v", b, err)
		}
	}, func() { c.Close() }
}

// everything is what a controller serves beside HTTP: a TCP port and the
// webhook, on an address of its own.
type everything struct {
	config func(*ControllerConfig)
	loads  []*load
}

func everythingOn(t *testing.T, api *kubetest.Server) everything {
	t.Helper()
	address := netip.AddrFrom4([4]byte{127, byte(100 + rand.IntN(100)), byte(rand.IntN(256)), byte(1 + rand.IntN(250))}).String()
	api.Put(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "infra", Name: "tcp"}, Data: map[string]string{"9000": "shop/web:80"}})
	certificate, key := certificateFiles(t)
	secure := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // its certificate is of its own making
	return everything{
		config: func(c *ControllerConfig) {
			c.ListenAddress, c.Published.TCP = address, "infra/tcp"
			c.Webhook = WebhookConfig{Address: address + ":9443", Certificate: certificate, Key: key}
		},
		loads: []*load{
			{name: "TCP port", url: "http://" + address + ":9000/", transport: &http.Transport{DisableKeepAlives: true}},
			{name: "webhook", url: "https://" + address + ":9443/", transport: &http.Transport{TLSClientConfig: secure, DisableKeepAlives: true}, want: http.StatusNotFound},
			{name: "kept webhook", url: "https://" + address + ":9443/", transport: &http.Transport{TLSClientConfig: secure}, want: http.StatusNotFound},
		},
	}
}

// TestH11_6_HandOver: three Daemuns follow each other under load. No request
// fails, no connection is refused, /readyz never says no, and what takes long
// ends on the one where it began.
func TestH11_6_HandOver(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	s := newSite(t, api)
	path := filepath.Join(t.TempDir(), "door")
	everything := everythingOn(t, api)
	first := takeOver(t, api, path, everything.config)
	more, end := underLoad(t, first, everything.loads...)
	more()
	response := long(t, first)
	echo, hangUp := webSocket(t, first)
	echo("before")
	await(t, "status", func() bool { return strings.Contains(statusOf(t, api, "web"), "192.0.2.1") })

	now := first
	for range 3 {
		next := takeOver(t, api, path, everything.config)
		if next.addresses != now.addresses {
			t.Errorf("addresses %v, before %v", next.addresses, now.addresses)
		}
		more()
		if now != first {
			if err := now.wait(); err != nil {
				t.Error(err)
			}
		}
		now = next
	}
	end()

	echo("after")
	select {
	case err := <-first.done:
		t.Fatalf("ended with a WebSocket and a response open: %v", err)
	default:
	}
	s.release()
	if b, err := io.ReadAll(response.Body); err != nil || string(b) != "begin end" {
		t.Errorf("long response: %q, %v", b, err)
	}
	hangUp()
	if err := first.wait(); err != nil {
		t.Error(err)
	}
	if got := statusOf(t, api, "web"); !strings.Contains(got, "192.0.2.1") {
		t.Errorf("the status was taken away although another one serves: %s", got)
	}
	await(t, "the Lease in the hands of the last", func() bool {
		_, body := now.admin("/metrics")
		return strings.Contains(body, `name="leader"} 1`)
	})
	now.stop()
	if err := now.wait(); err != nil {
		t.Error(err)
	}
	if got := statusOf(t, api, "web"); got != "[]" {
		t.Errorf("status after the end: %s", got)
	}
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "leader"}}
	if !api.Get(t, lease) || lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity != "" {
		t.Errorf("the Lease was not given back: %+v", lease.Spec)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket was left behind: %v", err)
	}
}

// TestHandOverToOneThatDies: the running one goes on, and gives way to the next.
func TestHandOverToOneThatDies(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	newSite(t, api)
	path := filepath.Join(t.TempDir(), "door")
	first := takeOver(t, api, path)
	more, end := underLoad(t, first)
	api.Forbid("list", "services") // the next one never gets ready
	stuck := succeed(t, api, path)
	await(t, "beginning", func() bool { return strings.Contains(first.log.String(), "handing over") })
	more()
	refused := succeed(t, api, path)
	if err := refused.wait(); err == nil || !strings.Contains(err.Error(), "another process is taking over") {
		t.Errorf("a third: %v", err)
	}
	stuck.stop()
	if err := stuck.wait(); err != nil {
		t.Error(err)
	}
	await(t, "word of it", func() bool { return strings.Contains(first.log.String(), "this Daemun goes on") })
	more()
	api.Allow("list", "services")
	takeOver(t, api, path)
	more()
	end()
	if err := first.wait(); err != nil {
		t.Error(err)
	}
}

// TestEndDuringHandOver: the running one is stopped while the next one reads.
// Clients wait in the queue until that one serves.
func TestEndDuringHandOver(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	newSite(t, api)
	path := filepath.Join(t.TempDir(), "door")
	first := takeOver(t, api, path)
	api.Forbid("list", "services")
	next := succeed(t, api, path)
	await(t, "beginning", func() bool { return strings.Contains(first.log.String(), "handing over") })
	first.stop()
	if err := first.wait(); err != nil {
		t.Error(err)
	}
	c, err := net.Dial("tcp", first.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: web.test\r\nConnection: close\r\n\r\n")
	api.Allow("list", "services")
	if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("%v, %v", res, err)
	}
	await(t, "ready file", func() bool { return next.readAddresses() })
	if code, body := next.admin("/readyz"); code != http.StatusOK {
		t.Errorf("%d %s", code, body)
	}
}

// TestHandOverOfSomeAddresses: what the next one wants elsewhere it opens, and
// the old address closes.
func TestHandOverOfSomeAddresses(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	newSite(t, api)
	path := filepath.Join(t.TempDir(), "door")
	first := takeOver(t, api, path)
	next := takeOver(t, api, path, func(c *ControllerConfig) { c.AdminAddress, c.ListenAddress = "127.0.0.2:0", "127.0.0.1" })
	if next.HTTP != first.HTTP || next.HTTPS != first.HTTPS || next.Admin == first.Admin {
		t.Errorf("%v after %v", next.addresses, first.addresses)
	}
	if err := first.wait(); err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", first.Admin); err == nil {
		c.Close()
		t.Error("an address that nobody serves is open")
	}
	if code, body := next.admin("/readyz"); code != http.StatusOK {
		t.Errorf("%d %s", code, body)
	}
}

// TestHandOverIsRefused: no start without the sockets that were asked for.
func TestHandOverIsRefused(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{file: "no socket", filepath.Join(file, "door"): "not a directory"} {
		if err := succeed(t, api, path).wait(); err == nil || !strings.HasPrefix(err.Error(), "--hand-over: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
