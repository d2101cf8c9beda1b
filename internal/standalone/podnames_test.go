package standalone

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"

	"daemun/internal/manifest"
	"daemun/internal/store"
)

func TestRewriteKeepsTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "hosts")
	if err := rewrite(path, "a\nlonger text\n"); err != nil {
		t.Fatal(err)
	}
	mounted, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer mounted.Close()
	for _, text := range []string{"short\n", "much longer than before\n", ""} {
		if err := rewrite(path, text); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 100)
		n, _ := mounted.ReadAt(got, 0)
		if string(got[:n]) != text {
			t.Errorf("got %q, want %q", got[:n], text)
		}
	}
	if info, err := mounted.Stat(); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v: programs of other users must be able to read it (%v)", info.Mode(), err)
	}
}

func TestHeadlessEndpointsFollow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ready := false
		db := service("db")
		db.Spec.ClusterIP = corev1.ClusterIPNone
		c := program("serve")
		c.ReadinessProbe = execProbe(1)
		pod := &corev1.Pod{ObjectMeta: meta("db"), Spec: corev1.PodSpec{Containers: []corev1.Container{c}}}
		l := newLabWith(t, func(rt *fakeRuntime) { rt.ready = func([]string) bool { return ready } }, db, pod,
			&corev1.Pod{ObjectMeta: meta("client"), Spec: corev1.PodSpec{Containers: []corev1.Container{program("serve")}}})
		defer l.end()
		hosts := func() string {
			text, err := os.ReadFile(filepath.Join(podFolder(l.cfg.StateDir, l.pod("client").UID), "etc", "hosts"))
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		line := "\tdb.default.svc.cluster.local db.default.svc db.default db\n"
		if strings.Contains(hosts(), line) {
			t.Errorf("an endpoint that is not ready is in\n%s", hosts())
		}
		l.rt.mu.Lock()
		ready = true
		l.rt.mu.Unlock()
		l.wait(2e9)
		if want := l.pod("db").Status.PodIP + line; !strings.Contains(hosts(), want) {
			t.Errorf("no %q in\n%s", want, hosts())
		}
		l.Apply(manifest.Change{Delete: []store.Key{{Kind: "Pod", Namespace: "default", Name: "db"}}})
		synctest.Wait()
		if strings.Contains(hosts(), line) {
			t.Errorf("an endpoint that ends is in\n%s", hosts())
		}
	})
}

func TestNamesThatCannotBeShown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLabWith(t, func(rt *fakeRuntime) { rt.leftOut = []string{"mount at /etc/hosts: refused"} }, deployment("web", 2, program("serve")))
		defer l.end()
		if p := l.Problems(); len(p) != 1 || p[0].Code != CodeNames || !strings.Contains(p[0].Message, "refused") {
			t.Errorf("problems %v, want one notice for all Pods", p)
		}
		if n := len(l.rt.starts); n != 2 {
			t.Errorf("%d containers run", n)
		}
	})
}

func TestReachable(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]string{"0.0.0.0:53": "127.0.0.1:53", "[::]:53": "[::1]:53", "127.0.0.1:5353": "127.0.0.1:5353"} {
		if got := reachable(netip.MustParseAddrPort(at)).String(); got != want {
			t.Errorf("%s: got %s, want %s", at, got, want)
		}
	}
}

func TestNameServerKeepsItsAddress(t *testing.T) {
	t.Parallel()
	web := service("web")
	web.Spec.ClusterIP = "127.96.0.10"
	objects, problems := Plan([]store.Object{web}, Config{})
	if len(problems) != 1 || problems[0].Code != CodeAddress {
		t.Errorf("problems %v", problems)
	}
	for _, o := range objects {
		if s, ok := o.(*corev1.Service); ok && s.Spec.ClusterIP == "127.96.0.10" && s.Name != dnsService.Name {
			t.Errorf("Service %s has the address of the name server", s.Name)
		}
	}
}

func TestPlanReportsMisformedNames(t *testing.T) {
	t.Parallel()
	d := deployment("web", 2, program("serve"))
	d.Spec.Template.Spec.DNSConfig = &corev1.PodDNSConfig{Nameservers: []string{"dns.example"}}
	if _, p := Plan([]store.Object{d}, Config{}); len(p) != 1 || p[0].Code != CodeForming || p[0].Field != "spec.template.spec.dnsConfig.nameservers[0]" {
		t.Errorf("problems %v", p)
	}
}
