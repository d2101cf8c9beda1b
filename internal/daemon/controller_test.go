package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/daemuntest"
	"daemun/internal/kube"
	"daemun/internal/kubetest"
	"daemun/internal/translate"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// instance is one controller in this process.
type instance struct {
	addresses
	ready  string // the ready file
	api    *kubetest.Server
	client *http.Client
	stop   context.CancelFunc
	kill   chan struct{}
	done   chan error
	log    *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// redirecting is an Ingress that needs no backend.
func redirecting(name, host, to string) *networkingv1.Ingress {
	prefix := networkingv1.PathTypePrefix
	return &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: name,
			Annotations: map[string]string{"kubernetes.io/ingress.class": "nginx", "nginx.ingress.kubernetes.io/permanent-redirect": to},
		},
		Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{Host: host, IngressRuleValue: networkingv1.IngressRuleValue{
			HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
				Path: "/", PathType: &prefix,
				Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "web", Port: networkingv1.ServiceBackendPort{Number: 80}}},
			}}},
		}}}},
	}
}

// run starts a controller and does not wait.
func run(t *testing.T, api *kubetest.Server, change ...func(*ControllerConfig)) *instance {
	t.Helper()
	ready := filepath.Join(t.TempDir(), "ready.json")
	i := &instance{api: api, kill: make(chan struct{}), done: make(chan error, 1), log: &lockedBuffer{}, client: &http.Client{
		Transport:     &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	c := ControllerConfig{
		GatewayConfig: GatewayConfig{
			Stdout: io.Discard, Stderr: i.log, ListenAddress: "127.0.0.1", AdminAddress: "127.0.0.1:0",
			Translate: translate.DefaultOptions(), DrainTimeout: 5 * time.Second,
		},
		Access: kube.Access{Host: api.URL}, ReadyFile: ready, Metrics: true, SyncEvents: true,
		Status:   StatusConfig{Update: true, Clear: true, Addresses: []string{"192.0.2.1"}, Interval: time.Minute},
		Election: ElectionConfig{Enabled: true, ID: "leader", TTL: 5 * time.Second},
	}
	for _, f := range change {
		f(&c)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	i.stop = cancel
	go func() { i.done <- Controller(ctx, c, i.kill) }()
	t.Cleanup(func() {
		cancel()
		if err := i.wait(); err != nil {
			t.Error(err)
		}
		i.client.CloseIdleConnections()
		if t.Failed() {
			t.Log(i.log)
		}
	})
	i.ready = ready
	return i
}

// wait returns what the controller returned.
func (i *instance) wait() error {
	err := <-i.done
	i.done <- err
	return err
}

func (i *instance) readAddresses() bool {
	b, err := os.ReadFile(i.ready)
	return err == nil && json.Unmarshal(b, &i.addresses) == nil
}

// serve is run and waits until the instance is ready.
func serve(t *testing.T, api *kubetest.Server, change ...func(*ControllerConfig)) *instance {
	t.Helper()
	i := run(t, api, change...)
	await(t, "ready file", func() bool { return i.readAddresses() })
	return i
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !done(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("no %s", what)
		}
	}
}

// location is where a host redirects to, or the status.
func (i *instance) location(host string) string {
	r, err := http.NewRequest(http.MethodGet, "http://"+i.HTTP+"/", nil)
	if err != nil {
		return err.Error()
	}
	r.Host = host
	res, err := i.client.Do(r)
	if err != nil {
		return "no answer"
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	if l := res.Header.Get("Location"); l != "" {
		return l
	}
	return res.Status
}

func (i *instance) admin(path string) (int, string) {
	res, err := i.client.Get("http://" + i.Admin + path)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

func statusOf(t *testing.T, api *kubetest.Server, name string) string {
	t.Helper()
	in := redirecting(name, "", "")
	in.Status = networkingv1.IngressStatus{}
	api.Get(t, in)
	return fmt.Sprint(in.Status.LoadBalancer.Ingress)
}

// TestControllerServes what the API server holds, through changes and an
// outage, and takes its addresses away at the end.
func TestControllerServes(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	api.Put(t, redirecting("web", "web.test", "http://one.test/"))
	i := serve(t, api)
	if got := i.location("web.test"); got != "http://one.test/" {
		t.Errorf("at once: %s", got)
	}
	for path, want := range map[string]int{"/readyz": 200, "/healthz": 200, "/livez": 200, "/metrics": 200, "/api/v1/routes": 200} {
		if code, body := i.admin(path); code != want {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	await(t, "status", func() bool { return strings.Contains(statusOf(t, api, "web"), "192.0.2.1") })

	api.Put(t, redirecting("web", "web.test", "http://two.test/"))
	await(t, "change", func() bool { return i.location("web.test") == "http://two.test/" })
	await(t, "Event", func() bool { return strings.Contains(fmt.Sprint(api.Texts("events", "reason")), "Sync") })
	api.Put(t, redirecting("bad", "bad.test", "a b"))
	await(t, "Event of a problem", func() bool {
		return strings.Contains(fmt.Sprint(api.Texts("events", "message")), `value "a b" is not a URL or path`)
	})

	api.Outage()
	if got := i.location("web.test"); got != "http://two.test/" {
		t.Errorf("during an outage: %s", got)
	}
	if code, body := i.admin("/readyz"); code != 200 {
		t.Errorf("H11.3: readyz during an outage: %d %s", code, body)
	}
	api.Put(t, redirecting("web", "web.test", "http://three.test/"))
	api.Recover()
	await(t, "change during the outage", func() bool { return i.location("web.test") == "http://three.test/" })

	await(t, "leadership", func() bool {
		_, body := i.admin("/metrics")
		return strings.Contains(body, `leader_election_status{controller_class="k8s.io/ingress-nginx",controller_namespace="",controller_pod="",name="leader"} 1`)
	})
	await(t, "status after the outage", func() bool { return strings.Contains(statusOf(t, api, "web"), "192.0.2.1") })
	i.stop()
	if err := i.wait(); err != nil {
		t.Error(err)
	}
	if got := statusOf(t, api, "web"); got != "[]" {
		t.Errorf("status after the end: %s", got)
	}
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "leader"}}
	if !api.Get(t, lease) || lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity != "" {
		t.Errorf("the Lease was not given back: %+v", lease.Spec)
	}
}

// TestRejectedIsNotShownAsServed: an Ingress that is not loaded has no address
// (others take that for "in service") and no Event that says it was taken over.
func TestRejectedIsNotShownAsServed(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	i := serve(t, api)
	api.Put(t, redirecting("bad", "bad.test", "a b"))
	await(t, "Event of the problem", func() bool {
		return strings.Contains(fmt.Sprint(api.Texts("events", "reason")), "AnnotationParsingFailed")
	})
	api.Put(t, redirecting("web", "web.test", "http://one.test/"))
	await(t, "status of another", func() bool { return strings.Contains(statusOf(t, api, "web"), "192.0.2.1") })
	await(t, "Event of another", func() bool { return strings.Contains(fmt.Sprint(api.Texts("events", "reason")), "Sync") })
	if got := statusOf(t, api, "bad"); got != "[]" {
		t.Errorf("status of a rejected Ingress: %s", got)
	}
	if n := strings.Count(fmt.Sprint(api.Texts("events", "reason")), "Sync"); n != 1 {
		t.Errorf("%d Events of success", n)
	}
	api.Put(t, redirecting("bad", "bad.test", "http://good.test/"))
	await(t, "status of the corrected one", func() bool { return strings.Contains(statusOf(t, api, "bad"), "192.0.2.1") })
	if got := i.location("bad.test"); got != "http://good.test/" {
		t.Errorf("corrected: %s", got)
	}
}

// TestStopAtAnyMoment of the start: it ends without an error, and with nothing
// left behind (goleak).
func TestStopAtAnyMoment(t *testing.T) {
	t.Parallel()
	for name, moment := range map[string]func(*kubetest.Server, *instance) bool{
		"at once":         func(*kubetest.Server, *instance) bool { return true },
		"admin open":      func(_ *kubetest.Server, i *instance) bool { return strings.Contains(i.log.String(), "reading from") },
		"while reading":   func(api *kubetest.Server, _ *instance) bool { return api.Requests("list", "ingresses") > 0 },
		"after Ingresses": func(api *kubetest.Server, _ *instance) bool { return api.Requests("list", "secrets") > 0 },
		"sockets open":    func(_ *kubetest.Server, i *instance) bool { return strings.Contains(i.log.String(), "msg=ready") },
		"electing":        func(api *kubetest.Server, _ *instance) bool { return api.Requests("get", "leases") > 0 },
		"writing":         func(api *kubetest.Server, _ *instance) bool { return api.Requests("patch", "ingresses/status") > 0 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := kubetest.New(t)
			api.Put(t, redirecting("web", "web.test", "http://one.test/"))
			i := run(t, api)
			await(t, name, func() bool { return moment(api, i) })
			i.stop()
			if err := i.wait(); err != nil {
				t.Error(err)
			}
			if got := statusOf(t, api, "web"); got != "[]" {
				t.Errorf("status after the end: %s", got)
			}
		})
	}
}

// TestNotReadyBeforeEverythingIsRead: H11.3, no listener and no readiness.
func TestNotReadyBeforeEverythingIsRead(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	api.Forbid("list", "endpointslices")
	i := run(t, api)
	await(t, "attempt", func() bool { return api.Requests("list", "endpointslices") > 1 })
	if i.readAddresses() {
		t.Error("ready without EndpointSlices")
	}
	if !strings.Contains(i.log.String(), "not allowed to read a kind") {
		t.Errorf("log:\n%s", i.log)
	}
	api.Allow("list", "endpointslices")
	await(t, "ready file", func() bool { return i.readAddresses() })
}

// TestOrderOfTheEnd: H11.5, unready first, and served until the grace is over.
func TestOrderOfTheEnd(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	api.Put(t, redirecting("web", "web.test", "http://one.test/"))
	i := serve(t, api, func(c *ControllerConfig) { c.ShutdownGrace = time.Hour })
	i.stop()
	await(t, "unreadiness", func() bool { code, _ := i.admin("/healthz"); return code == 500 })
	if code, _ := i.admin("/livez"); code != 200 {
		t.Errorf("livez: %d", code)
	}
	if got := i.location("web.test"); got != "http://one.test/" {
		t.Errorf("in the grace period: %s", got)
	}
	api.Put(t, redirecting("web", "web.test", "http://two.test/"))
	await(t, "change in the grace period", func() bool { return i.location("web.test") == "http://two.test/" })
	close(i.kill)
	if err := i.wait(); err != nil {
		t.Error(err)
	}
}

// TestConfigMapIsLive, and the drain time is its worker-shutdown-timeout.
func TestConfigMapIsLive(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	settings := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "infra", Name: "settings"}, Data: map[string]string{"force-ssl-redirect": "true", "worker-shutdown-timeout": "3s"}}
	in := redirecting("web", "web.test", "")
	delete(in.Annotations, "nginx.ingress.kubernetes.io/permanent-redirect")
	api.Put(t, settings, in)
	i := serve(t, api, func(c *ControllerConfig) { c.Translate.ConfigMap, c.DrainTimeout = "infra/settings", 0 })
	if got := i.location("web.test"); got != "https://web.test" && got != "https://web.test/" {
		t.Errorf("%s", got)
	}
	settings.Data["force-ssl-redirect"] = "false"
	api.Put(t, settings)
	await(t, "change", func() bool { return strings.HasPrefix(i.location("web.test"), "503") })
	i.stop()
	if err := i.wait(); err != nil || !strings.Contains(i.log.String(), `"for at most"=3s`) {
		t.Errorf("%v\n%s", err, i.log)
	}
}

func TestControllerSaysWhyItDoesNotStart(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	for name, change := range map[string]func(*ControllerConfig){
		"--validating-webhook-certificate": func(c *ControllerConfig) {
			c.Webhook = WebhookConfig{Address: "127.0.0.1:0", Certificate: "/nowhere", Key: "/nowhere"}
		},
		"want one address of this machine": func(c *ControllerConfig) { c.ProfilerAddress = "0.0.0.0:0" },
		"--admin-address":                  func(c *ControllerConfig) { c.AdminAddress = "192.0.2.1:1" },
		"--kubeconfig":                     func(c *ControllerConfig) { c.Access = kube.Access{Kubeconfig: "/nowhere"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := ControllerConfig{
				GatewayConfig: GatewayConfig{Stdout: io.Discard, Stderr: io.Discard, AdminAddress: "127.0.0.1:0", Translate: translate.DefaultOptions()},
				Access:        kube.Access{Host: api.URL},
			}
			change(&c)
			if err := Controller(t.Context(), c, nil); err == nil || !strings.Contains(err.Error(), name) || errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestPublishedPorts: entries of the ConfigMap open and close ports. The
// endpoint is one that is never dialled.
func TestPublishedPorts(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	ports := func(data map[string]string) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "infra", Name: "tcp"}, Data: data}
	}
	free := daemuntest.FreePort(t)
	api.Put(t, ports(map[string]string{free: "shop/queue:5672", "http": "x"}))
	api.Put(t, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "queue"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 5672}}}})
	ep := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "shop", Name: "queue-1", Labels: map[string]string{discoveryv1.LabelServiceName: "queue"}},
		AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"169.254.1.1"}}}, Ports: []discoveryv1.EndpointPort{{Port: new(int32(5672))}},
	}
	api.Put(t, ep)
	i := serve(t, api, func(c *ControllerConfig) { c.Published.TCP = "infra/tcp" })
	open := func() bool {
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", free))
		if err == nil {
			c.Close()
		}
		// It may be reset at once, as its endpoint cannot be dialled.
		return !errors.Is(err, syscall.ECONNREFUSED)
	}
	if !open() {
		_, problems := i.admin("/api/v1/problems")
		t.Errorf("the port %s is not open at once: %s", free, problems)
	}
	await(t, "problem", func() bool { _, body := i.admin("/api/v1/problems"); return strings.Contains(body, "is not a port") })
	api.Put(t, ports(nil))
	await(t, "end of the port", func() bool { return !open() })
	api.Put(t, ports(map[string]string{free: "shop/queue:5672"}))
	await(t, "port again", open)
	api.Delete(t, ep)
	await(t, "end of a port without endpoints", func() bool { return !open() })
}
