package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/kubetest"
)

// kubeconfig is a file that leads to an API server in memory.
func kubeconfig(t *testing.T, api *kubetest.Server) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	text := "{apiVersion: v1, kind: Config, current-context: a, clusters: [{name: a, cluster: {server: \"" + api.URL + "\"}}], contexts: [{name: a, context: {cluster: a}}]}"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestCheckCluster: the command says what it found in a cluster, and its exit
// code whether something is in the way.
func TestCheckCluster(t *testing.T) {
	api := kubetest.New(t)
	file := kubeconfig(t, api)
	check := func(args ...string) (code int, out, talk string) {
		var stdout, stderr bytes.Buffer
		code = run(append([]string{"check", "--cluster", "--kubeconfig", file}, args...), nil, &stdout, &stderr)
		return code, stdout.String(), stderr.String()
	}
	if code, out, _ := check(); code != 0 || !strings.HasPrefix(out, "warning: ingressclasses: none has the controller k8s.io/ingress-nginx or daemun.dev/ingress: ") {
		t.Errorf("empty cluster: %d %s", code, out)
	}
	api.Put(t, &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "nginx"}, Spec: networkingv1.IngressClassSpec{Controller: "k8s.io/ingress-nginx"}})
	if code, out, talk := check("--service-account", "ingress-nginx/daemun"); code != 0 || out != "" || talk != "0 errors, 0 warnings, 0 notices\n" {
		t.Errorf("good cluster: %d %s %s", code, out, talk)
	}
	api.Forbid("list", "secrets")
	if code, out, _ := check("--service-account", "ingress-nginx/daemun"); code != 1 || !strings.Contains(out, "the service account ingress-nginx/daemun may not list secrets in all namespaces") {
		t.Errorf("missing right: %d %s", code, out)
	}
	if code, _, talk := check("--service-account", "daemun"); code != 2 || !strings.Contains(talk, "want NAMESPACE/NAME") {
		t.Errorf("wrong account: %d %s", code, talk)
	}
	api.Outage()
	if code, out, _ := check("-o", "json"); code != 1 || !strings.Contains(out, `"code": "DMN0820"`) {
		t.Errorf("outage: %d %s", code, out)
	}
}
