package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/admission"
	"daemun/internal/ir"
	"daemun/internal/kube"
	"daemun/internal/store"
)

const (
	// issuerInterval is how often the Secret and the configuration are looked
	// at: other replicas renew the one, other people apply the other again.
	issuerInterval = time.Minute
	// issuerRetry is the same after something went wrong.
	issuerRetry = 5 * time.Second

	// CodeTrust is the code of a ValidatingWebhookConfiguration that does not
	// trust the webhook.
	CodeTrust = "DMN0245"

	managedBy = "app.kubernetes.io/managed-by"
)

// The keys of the Secret; the first two are those of kubernetes.io/tls.
const (
	keyCertificate  = corev1.TLSCertKey
	keyPrivate      = corev1.TLSPrivateKeyKey
	keyAuthorities  = "ca.crt"
	keyAuthorityKey = "ca.key"
)

// issuer is the certificate of the webhook where nobody else makes one: it is in
// a Secret that all replicas share, whoever comes first makes it, and the API
// server is told to trust it.
type issuer struct {
	cluster *kube.Cluster
	secret  store.Name
	// configuration is the ValidatingWebhookConfiguration to be kept in step;
	// empty is none.
	configuration string
	logger        *slog.Logger

	pair    atomic.Pointer[tls.Certificate]
	problem atomic.Pointer[ir.Problem]
	// tried is closed after the first attempt.
	tried chan struct{}
}

func newIssuer(cluster *kube.Cluster, secret store.Name, configuration string, logger *slog.Logger) *issuer {
	return &issuer{cluster: cluster, secret: secret, configuration: configuration, logger: logger, tried: make(chan struct{})}
}

// Get implements certificates.
func (i *issuer) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if pair := i.pair.Load(); pair != nil {
		return pair, nil
	}
	return nil, errors.New("the webhook has no certificate yet")
}

// Problems implements certificates.
func (i *issuer) Problems() []ir.Problem {
	if p := i.problem.Load(); p != nil {
		return []ir.Problem{*p}
	}
	return nil
}

// Run implements certificates.
func (i *issuer) Run(ctx context.Context) error {
	defer i.first()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		next := issuerInterval
		if !i.look(ctx, time.Now()) {
			next = issuerRetry
		}
		i.first()
		timer.Reset(next)
	}
}

// first says that the first attempt has been made; only Run calls it.
func (i *issuer) first() {
	select {
	case <-i.tried:
	default:
		close(i.tried)
	}
}

// look brings the certificate and who trusts it up to date. It reports whether
// all is well; what is not it says once.
func (i *issuer) look(ctx context.Context, now time.Time) bool {
	issued, err := i.issued(ctx, now)
	code := admission.CodeCertificate
	if err == nil {
		// Trust comes before use.
		code, err = CodeTrust, i.trust(ctx, issued.Authorities)
		err = errors.Join(err, i.use(issued))
	}
	if ctx.Err() != nil {
		return false
	}
	if err == nil {
		i.problem.Store(nil)
		return true
	}
	p := &ir.Problem{Code: code, Severity: ir.SeverityError, Message: "the API server cannot ask the webhook about Ingresses: " + err.Error()}
	if code == admission.CodeCertificate && i.pair.Load() != nil {
		p.Severity = ir.SeverityWarning
		p.Message = "the webhook's certificate is not looked after; the one in service stays: " + err.Error()
	}
	i.problem.Store(p) // which logs it, if it is new
	return false
}

// issued reads the Secret, and renews or makes what is in it if it must be.
func (i *issuer) issued(ctx context.Context, now time.Time) (admission.Issued, error) {
	const attempts = 4 // all replicas may start at once
	var err error
	for range attempts {
		var s *corev1.Secret
		if s, err = i.cluster.Secret(ctx, i.secret); err != nil {
			return admission.Issued{}, err
		}
		if s != nil && s.Labels[managedBy] != "daemun" {
			return admission.Issued{}, fmt.Errorf("the Secret %s/%s was not made by Daemun (it has no label %s: daemun), and is left alone: name another with --validating-webhook-secret, or name files with --validating-webhook-certificate and --validating-webhook-key",
				i.secret.Namespace, i.secret.Name, managedBy)
		}
		if s == nil {
			s = &corev1.Secret{Type: corev1.SecretTypeTLS, ObjectMeta: metav1.ObjectMeta{
				Namespace: i.secret.Namespace, Name: i.secret.Name,
				Labels: map[string]string{managedBy: "daemun", "app.kubernetes.io/component": "admission-webhook"},
			}}
		}
		old := admission.Issued{Certificate: s.Data[keyCertificate], Key: s.Data[keyPrivate], Authorities: s.Data[keyAuthorities], AuthorityKey: s.Data[keyAuthorityKey]}
		next, renewErr := admission.Renew(old, i.secret.Namespace, now)
		if renewErr != nil || next.Equal(old) {
			return next, renewErr
		}
		if err = i.cluster.PutSecret(ctx, withIssued(s, next)); err == nil {
			i.logger.Info("the webhook's certificate was made", "namespace", i.secret.Namespace, "secret", i.secret.Name, "new authority", string(next.Authorities) != string(old.Authorities))
			return next, nil
		}
		if !kube.IsOvertaken(err) {
			break
		}
	}
	return admission.Issued{}, err
}

func withIssued(s *corev1.Secret, i admission.Issued) *corev1.Secret {
	data := maps.Clone(s.Data)
	if data == nil {
		data = map[string][]byte{}
	}
	data[keyCertificate], data[keyPrivate], data[keyAuthorities], data[keyAuthorityKey] = i.Certificate, i.Key, i.Authorities, i.AuthorityKey
	s.Data = data
	return s
}

func (i *issuer) trust(ctx context.Context, authorities []byte) error {
	if i.configuration == "" {
		return nil
	}
	changed, err := i.cluster.Trust(ctx, i.configuration, authorities)
	if changed {
		i.logger.Info("the API server trusts the webhook", "validatingwebhookconfiguration", i.configuration)
	}
	return err
}

func (i *issuer) use(issued admission.Issued) error {
	pair, err := tls.X509KeyPair(issued.Certificate, issued.Key)
	if err == nil {
		i.pair.Store(&pair)
	}
	return err
}
