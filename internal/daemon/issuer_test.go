package daemon

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/admission"
	"daemun/internal/daemuntest"
	"daemun/internal/kube"
	"daemun/internal/kubetest"
	"daemun/internal/store"
)

// hooks is a configuration of two webhooks, which trusts somebody else.
func hooks() *admissionregistrationv1.ValidatingWebhookConfiguration {
	at := func(bundle string) admissionregistrationv1.WebhookClientConfig {
		return admissionregistrationv1.WebhookClientConfig{
			CABundle: []byte(bundle), Service: &admissionregistrationv1.ServiceReference{Namespace: "daemun", Name: "daemun-controller-admission"},
		}
	}
	return &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "daemun-admission"},
		Webhooks:   []admissionregistrationv1.ValidatingWebhook{{Name: "one.test", ClientConfig: at("")}, {Name: "two.test", ClientConfig: at("another authority")}},
	}
}

// trusted is what the API server trusts for the webhooks, which is the same for
// all.
func trusted(t *testing.T, api *kubetest.Server) string {
	t.Helper()
	c := hooks()
	if !api.Get(t, c) {
		t.Fatal("no configuration")
	}
	bundle := string(c.Webhooks[0].ClientConfig.CABundle)
	for _, h := range c.Webhooks {
		if string(h.ClientConfig.CABundle) != bundle || h.ClientConfig.Service == nil {
			t.Errorf("webhook %s: %+v", h.Name, h.ClientConfig)
		}
	}
	return bundle
}

// newTestIssuer is an issuer of a replica.
func newTestIssuer(t *testing.T, api *kubetest.Server, log *lockedBuffer) *issuer {
	t.Helper()
	cluster, err := kube.Connect(kube.Access{Host: api.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return newIssuer(cluster, store.Name{Namespace: "daemun", Name: "daemun-admission-tls"}, "daemun-admission", slog.New(slog.NewTextHandler(log, nil)))
}

// believed calls the webhook as an API server does.
func believed(t *testing.T, bundle string, pair *tls.Certificate, now time.Time) {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(bundle)) {
		t.Fatalf("no authorities: %q", bundle)
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "daemun-controller-admission.daemun.svc", CurrentTime: now}); err != nil {
		t.Error(err)
	}
}

// TestWebhookMakesItsOwnCertificate: without files, whoever waits for readiness
// finds a webhook that the API server can ask.
func TestWebhookMakesItsOwnCertificate(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	api.Put(t, redirecting("web", "web.test", "http://one.test/"), hooks())
	address := "127.0.0.1:" + daemuntest.FreePort(t)
	serve(t, api, func(c *ControllerConfig) {
		c.Self = store.Name{Namespace: "daemun", Name: "one"}
		c.Webhook = WebhookConfig{Address: address, Secret: "daemun-admission-tls", Configuration: "daemun-admission"}
	})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(trusted(t, api)))
	dialer := tls.Dialer{NetDialer: &net.Dialer{}, Config: &tls.Config{RootCAs: roots, ServerName: "daemun-controller-admission.daemun.svc"}}
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// TestReplicasShareOneCertificate, whoever comes first.
func TestReplicasShareOneCertificate(t *testing.T) {
	t.Parallel()
	api, log := kubetest.New(t), &lockedBuffer{}
	api.Put(t, hooks())
	now := time.Now()
	var issuers []*issuer
	var looking sync.WaitGroup
	for range 3 {
		i := newTestIssuer(t, api, log)
		issuers = append(issuers, i)
		looking.Go(func() { i.look(t.Context(), now) })
	}
	looking.Wait()
	for _, i := range issuers {
		if !i.look(t.Context(), now) {
			t.Fatalf("%v\n%s", i.Problems(), log)
		}
	}
	if n := api.Count("secrets"); n != 1 || strings.Count(log.String(), "certificate was made") != 1 {
		t.Errorf("%d Secrets\n%s", n, log)
	}
	for _, i := range issuers {
		believed(t, trusted(t, api), i.pair.Load(), now)
	}
}

// TestCertificateIsRenewedForAll: one replica renews it, the others follow; the
// authority stays.
func TestCertificateIsRenewedForAll(t *testing.T) {
	t.Parallel()
	api, log := kubetest.New(t), &lockedBuffer{}
	api.Put(t, hooks())
	start := time.Now()
	one, two := newTestIssuer(t, api, log), newTestIssuer(t, api, log)
	one.look(t.Context(), start)
	two.look(t.Context(), start)
	first, bundle := one.pair.Load().Leaf.SerialNumber, trusted(t, api)
	api.Conflict("secrets", 1) // somebody writes in between
	later := start.Add(300 * 24 * time.Hour)
	one.look(t.Context(), later)
	two.look(t.Context(), later)
	renewed := one.pair.Load().Leaf
	if renewed.SerialNumber.Cmp(first) == 0 || two.pair.Load().Leaf.SerialNumber.Cmp(renewed.SerialNumber) != 0 || trusted(t, api) != bundle {
		t.Errorf("not renewed for both, or with another authority\n%s", log)
	}
	believed(t, bundle, one.pair.Load(), later)
}

// TestTrustIsRestored: whoever applies the configuration again takes the bundle
// away with it.
func TestTrustIsRestored(t *testing.T) {
	t.Parallel()
	api, log := kubetest.New(t), &lockedBuffer{}
	api.Put(t, hooks())
	i := newTestIssuer(t, api, log)
	i.look(t.Context(), time.Now())
	bundle := trusted(t, api)
	api.Put(t, hooks())
	if !i.look(t.Context(), time.Now()) || trusted(t, api) != bundle {
		t.Errorf("%v\n%s", i.Problems(), log)
	}
}

// TestSecretOfOthersIsLeftAlone: it may be what somebody else lives on.
func TestSecretOfOthersIsLeftAlone(t *testing.T) {
	t.Parallel()
	api, log := kubetest.New(t), &lockedBuffer{}
	theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "daemun", Name: "daemun-admission-tls"}, Data: map[string][]byte{"password": []byte("x")}}
	api.Put(t, hooks(), theirs)
	i := newTestIssuer(t, api, log)
	if i.look(t.Context(), time.Now()) {
		t.Error("it is used")
	}
	if p := i.Problems(); len(p) != 1 || p[0].Code != admission.CodeCertificate || !strings.Contains(p[0].Message, "--validating-webhook-secret") {
		t.Errorf("%v", p)
	}
	if api.Get(t, theirs); len(theirs.Data) != 1 {
		t.Errorf("it was changed: %v", theirs.Data)
	}
}

// TestTrafficDoesNotWaitForTheWebhook: without the rights for its certificate
// everything else is served, and the problem says what is missing.
func TestTrafficDoesNotWaitForTheWebhook(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	api.Put(t, redirecting("web", "web.test", "http://one.test/"), hooks())
	api.Forbid("get", "secrets")
	i := serve(t, api, func(c *ControllerConfig) {
		c.Webhook = WebhookConfig{Address: "127.0.0.1:0", Secret: "daemun/daemun-admission-tls", Configuration: "daemun-admission"}
	})
	if got := i.location("web.test"); got != "http://one.test/" {
		t.Errorf("got %s", got)
	}
	await(t, "problem", func() bool {
		_, problems := i.admin("/api/v1/problems")
		return strings.Contains(problems, admission.CodeCertificate) && strings.Contains(problems, "forbidden")
	})
}

// TestTrustThatCannotBeGiven is a problem; the certificate is in service all the
// same.
func TestTrustThatCannotBeGiven(t *testing.T) {
	t.Parallel()
	api, log := kubetest.New(t), &lockedBuffer{}
	i := newTestIssuer(t, api, log)
	if i.look(t.Context(), time.Now()) {
		t.Error("there is no configuration")
	}
	if p := i.Problems(); len(p) != 1 || p[0].Code != CodeTrust || i.pair.Load() == nil {
		t.Errorf("%v %s", p, log)
	}
	api.Put(t, hooks())
	if !i.look(t.Context(), time.Now()) || len(i.Problems()) > 0 {
		t.Errorf("%v %s", i.Problems(), log)
	}
}
