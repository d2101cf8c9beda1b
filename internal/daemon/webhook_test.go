package daemon

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"daemun/internal/admission"
	"daemun/internal/daemuntest"
	"daemun/internal/kubetest"
)

// certificateFiles writes a certificate for localhost and its key.
func certificateFiles(t *testing.T) (certificate, key string) {
	t.Helper()
	dir := t.TempDir()
	text := daemuntest.TLSSecret(t, "webhook", "localhost", "webhook")
	for _, name := range []string{"tls.crt", "tls.key"} {
		b, err := base64.StdEncoding.DecodeString(regexp.MustCompile(regexp.QuoteMeta(name) + `: (\S+)`).FindStringSubmatch(text)[1])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
}

// reviewing asks the webhook at an address about an Ingress that is created.
func reviewing(t *testing.T, address string) func(*networkingv1.Ingress) *admissionv1.AdmissionResponse {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // its certificate is of its own making
	t.Cleanup(client.CloseIdleConnections)
	return func(in *networkingv1.Ingress) *admissionv1.AdmissionResponse {
		t.Helper()
		raw, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		body, err := json.Marshal(admissionv1.AdmissionReview{Request: &admissionv1.AdmissionRequest{
			UID: "u", Operation: admissionv1.Create, Namespace: in.Namespace, Name: in.Name, Object: runtime.RawExtension{Raw: raw},
			Resource: metav1.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Post("https://"+address+admission.Path, "application/json", strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		answer := admissionv1.AdmissionReview{}
		if err := json.Unmarshal(b, &answer); err != nil || answer.Response == nil {
			t.Fatalf("%d %s", res.StatusCode, b)
		}
		return answer.Response
	}
}

// TestWebhookJudgesByWhatIsInService: a path that an Ingress of the cluster has
// is refused with the sentence of lint, in the namespaces that are read.
func TestWebhookJudgesByWhatIsInService(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	api.Put(t, redirecting("web", "web.test", "http://one.test/"))
	address := "127.0.0.1:" + daemuntest.FreePort(t)
	certificate, key := certificateFiles(t)
	i := serve(t, api, func(c *ControllerConfig) {
		c.Webhook = WebhookConfig{Address: address, Certificate: certificate, Key: key}
		c.Scope.Namespace = "shop"
	})
	review := reviewing(t, address)
	if r := review(redirecting("second", "web.test", "http://two.test/")); r.Allowed || !strings.Contains(r.Result.Message, `Ingress shop/web already has host "web.test", path "/"`) {
		t.Errorf("%+v", r)
	}
	if r := review(redirecting("third", "other.test", "http://two.test/")); !r.Allowed || !strings.Contains(strings.Join(r.Warnings, " "), `there is no Service "web"`) {
		t.Errorf("%+v", r)
	}
	expression := redirecting("third", "other.test", "http://two.test/")
	expression.Spec.Rules[0].HTTP.Paths[0].Path = "/(.*)"
	if r := review(expression); r.Allowed || !strings.Contains(r.Result.Message, "use ImplementationSpecific") {
		t.Errorf("%+v", r)
	}
	_, metrics := i.admin("/metrics")
	for _, line := range []string{
		`check_success{controller_class="k8s.io/ingress-nginx",controller_namespace="",controller_pod="",ingress="third",namespace="shop"} 1`,
		`check_errors{controller_class="k8s.io/ingress-nginx",controller_namespace="",controller_pod="",ingress="second",namespace="shop"} 1`,
		`admission_tested_ingresses{`,
	} {
		if !strings.Contains(metrics, line) {
			t.Errorf("/metrics has no %s", line)
		}
	}
	foreign := redirecting("second", "web.test", "http://two.test/")
	foreign.Namespace = "elsewhere"
	if r := review(foreign); !r.Allowed {
		t.Errorf("a namespace that is not read: %+v", r)
	}
}
