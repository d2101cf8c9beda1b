package standalone

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"daemun/internal/manifest"
	"daemun/internal/process"
	"daemun/internal/store"
)

// helperArg makes the test binary behave as a container's program: an HTTP
// server on POD_IP:8080 whose /ready follows the file READY_FILE.
const helperArg = "container-helper"

func helper(args []string) {
	if len(args) > 0 && args[0] == "lookup" {
		os.Exit(lookup(args[1:]))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) {
		if _, err := os.Stat(os.Getenv("READY_FILE")); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	l, err := net.Listen("tcp", net.JoinHostPort(os.Getenv("POD_IP"), "8080"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("serving", os.Getenv("WEB_SERVICE_HOST"))
	done := make(chan os.Signal, 1)
	signal.Notify(done, syscall.SIGTERM)
	go http.Serve(l, mux)
	<-done
}

// eventually polls until f holds; only a hanging test meets the deadline.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("never: %s", what)
		}
	}
}

// ownNetwork keeps test runs that happen at the same time apart: the programs
// listen on real addresses.
func ownNetwork() netip.Prefix {
	pid := os.Getpid()
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{127, byte(100 + (pid>>8)%100), byte(pid), 0}), 24)
}

func TestRealProcesses(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	rt := process.NewRuntime(process.Config{})
	defer rt.Close()
	dir := t.TempDir()
	ready := dir + "/ready"
	c := corev1.Container{Name: "main", Image: "helper:1", Args: []string{helperArg}}
	c.Env = []corev1.EnvVar{{Name: "READY_FILE", Value: ready}}
	c.ReadinessProbe = &corev1.Probe{PeriodSeconds: 1, FailureThreshold: 1, ProbeHandler: corev1.ProbeHandler{
		HTTPGet: &corev1.HTTPGetAction{Path: "/ready", Port: intstr.FromInt32(8080)},
	}}
	st := store.New()
	cl := New(Config{PodNetwork: ownNetwork(), Store: st, Runtime: rt, StateDir: dir + "/state", Images: map[string]string{"helper": self}})
	cl.Apply(manifest.Change{Put: []store.Object{deployment("web", 2, c), service("web")}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- cl.Run(ctx, nil) }()

	web := store.Name{Namespace: "default", Name: "web"}
	eventually(t, "two Pods run", func() bool {
		n := 0
		for _, p := range st.View().Pods {
			if p.Status.Phase == corev1.PodRunning {
				n++
			}
		}
		return n == 2
	})
	if r, _, _ := countEndpoints(st.View().SlicesOf(web)); r != 0 {
		t.Error("ready before the probe succeeded")
	}
	if err := os.WriteFile(ready, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	<-cl.Settled()
	if r, _, _ := countEndpoints(st.View().SlicesOf(web)); r != 2 {
		t.Errorf("%d endpoints are ready, want 2", r)
	}
	ip := st.View().Services[web].Spec.ClusterIP
	for name := range st.View().Pods {
		log, err := os.ReadFile(cl.LogPath(name, "main"))
		if err != nil || !strings.Contains(string(log), "serving "+ip) {
			t.Errorf("log %q, error %v; want the Service's address %s", log, err, ip)
		}
	}
	if err := os.Remove(ready); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both Pods unready", func() bool { _, u, _ := countEndpoints(st.View().SlicesOf(web)); return u == 2 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := len(st.View().Pods); n != 0 {
		t.Errorf("%d Pods after the end", n)
	}
}
