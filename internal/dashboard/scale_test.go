package dashboard

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/ir"
	"daemun/internal/store"
)

// large is a kit with ten thousand of everything.
func large(t testing.TB) *kit {
	t.Helper()
	const hosts, paths = 100, 100
	s := store.New()
	config := &ir.Config{Settings: ir.DefaultSettings()}
	config.Hosts = append(config.Hosts, &ir.Host{Routes: []*ir.Route{{Path: "/", Match: ir.MatchPrefix, Pattern: "/", Implicit: true}}})
	var problems []ir.Problem
	s.Update(func(tx *store.Tx) {
		for h := range hosts {
			host := &ir.Host{Name: fmt.Sprintf("host-%03d.a-rather-long-domain.example.com", h)}
			for p := range paths {
				name := fmt.Sprintf("a-service-with-a-long-name-%03d-%03d", h, p)
				owner := ir.Ref{Kind: "Ingress", Namespace: "a-namespace", Name: name}
				backend := &ir.Backend{ID: ir.BackendID("a-namespace/" + name + "/http"), Namespace: "a-namespace", Service: name, Port: "http"}
				route := &ir.Route{
					Path: fmt.Sprintf("/a/path/of/some/length/%03d", p), PathType: "Prefix", Match: ir.MatchPrefix, Ingress: owner,
					Service: name, ServicePort: "http", Backend: backend.ID,
				}
				route.Pattern = route.Path
				host.Routes = append(host.Routes, route)
				config.Backends = append(config.Backends, backend)
				problems = append(problems, ir.Problem{Code: "DMN0306", Severity: ir.SeverityError, Object: owner, Field: "metadata.annotations[nginx.ingress.kubernetes.io/x]", Message: "there is no annotation of this name; ignored"})
				meta := metav1.ObjectMeta{Namespace: "a-namespace", Name: name}
				tx.Put(&corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{ClusterIP: "10.0.0.1", Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Port: 80}}}})
				tx.Put(&corev1.Pod{ObjectMeta: meta, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web"}}}})
			}
			config.Hosts = append(config.Hosts, host)
		}
	})
	return newKitOf(t, s, config, problems)
}

// TestLargePages: with ten thousand routes, Services, Pods and problems no page
// is larger than 200 KB, and everything can be found.
func TestLargePages(t *testing.T) {
	t.Parallel()
	k := large(t)
	for path, want := range map[string]string{
		"/":                    "others",
		"/routes":              "host-000.",
		"/routes?page=100":     "host-099.",
		"/routes?page=999":     "any other host",
		"/routes?q=099-099":    "a-service-with-a-long-name-099-099",
		"/routes?show=failing": "10\u202f000",
		"/services?page=50":    "a-service-with-a-long-name",
		"/services?q=050-050":  "a-service-with-a-long-name-050-050",
		"/pods":                "a-service-with-a-long-name",
		"/problems?page=3":     "DMN0306",
		"/problems/DMN0306":    "DMN0306",
		"/explain":             "host-000.",
		"/explain?url=http://host-050.a-rather-long-domain.example.com/a/path/of/some/length/050": "503",
	} {
		status, body := k.get(t, path)
		if status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d, no %q", path, status, want)
		}
		if len(body) > 200_000 {
			t.Errorf("%s: %d octets", path, len(body))
		}
		t.Logf("%s: %d octets", path, len(body))
	}
}

// BenchmarkLargePages is what a followed page costs with ten thousand routes.
func BenchmarkLargePages(b *testing.B) {
	k := large(b)
	for _, path := range []string{"/", "/routes", "/routes?q=099-099"} {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				k.now = k.now.Add(surveyTime)
				k.get(b, path)
			}
		})
	}
}
