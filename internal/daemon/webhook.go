package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	networkingv1 "k8s.io/api/networking/v1"

	"daemun/internal/admission"
	"daemun/internal/ir"
	"daemun/internal/translate"
)

// WebhookConfig says where Ingresses are reviewed before the API server stores
// them; without Address they are not.
type WebhookConfig struct {
	Address string
	// Certificate and Key are files. Without them a controller makes both and
	// keeps them in a Secret, "namespace/name" or a name in its own namespace.
	Certificate, Key string
	Secret           string
	// Configuration is the ValidatingWebhookConfiguration that is to trust a
	// certificate of the Secret; empty is none.
	Configuration string
	// ClientAuthority is a file with the authority of the API server's own
	// certificate; empty asks for none.
	ClientAuthority string
}

// webhook is the listener of the validating webhook.
type webhook struct {
	*admission.Webhook
	listener     net.Listener
	tls          *tls.Config
	certificates certificates
}

// certificates are what the webhook's certificate comes from.
type certificates interface {
	Get(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Run follows it until ctx ends.
	Run(ctx context.Context) error
	Problems() []ir.Problem
}

// webhookFiles reads the certificate from its files.
func (g *gateway) webhookFiles(c WebhookConfig) (certificates, error) {
	files, err := admission.NewFiles(c.Certificate, c.Key, g.logger)
	if err != nil {
		return nil, fmt.Errorf("--validating-webhook: %w; name files with --validating-webhook-certificate and --validating-webhook-key", err)
	}
	return files, nil
}

// openWebhook opens the listener, if there is to be one. inScope may be nil.
func (g *gateway) openWebhook(c WebhookConfig, from func(WebhookConfig) (certificates, error), inScope func(string) bool) error {
	if c.Address == "" {
		return nil
	}
	certificates, err := from(c)
	if err != nil {
		return err
	}
	w := &webhook{Webhook: admission.New(admission.Config{Check: g.check, InScope: inScope, Logger: g.logger}), certificates: certificates}
	if w.tls, err = admission.TLSConfig(certificates.Get, c.ClientAuthority); err != nil {
		return fmt.Errorf("--validating-webhook-client-ca: %w", err)
	}
	l, err := g.open(socketWebhook, c.Address)
	if err != nil {
		return fmt.Errorf("%w; choose another with --validating-webhook", err)
	}
	w.listener = limitPerClient(l)
	g.webhook = w
	return nil
}

// webhookProblems are those of its certificate.
func (g *gateway) webhookProblems() []ir.Problem {
	if g.webhook == nil {
		return nil
	}
	return g.webhook.certificates.Problems()
}

// check judges an Ingress by what is in service.
func (g *gateway) check(in *networkingv1.Ingress) (translate.Checked, error) {
	current := g.loop.State().Config
	if current == nil {
		return translate.Checked{}, errors.New("starting: there is no configuration to compare with yet")
	}
	v := g.store.View()
	checked := translate.Check(v, current, g.config.Translate, in, time.Now())
	if checked.Ours {
		// What is a warning about a stored one keeps others from being stored.
		checked.Problems = slices.DeleteFunc(checked.Problems, func(p ir.Problem) bool { return p.Code == translate.CodePathCharacters })
		checked.Problems = append(checked.Problems, translate.CheckPathTypes(v, g.config.Translate, in)...)
	}
	return checked, nil
}

func (g *gateway) serveWebhook(ctx context.Context) error {
	w := g.webhook
	s := &http.Server{
		Handler: w, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		TLSConfig: w.tls, ErrorLog: slog.NewLogLogger(g.logger.Handler(), slog.LevelDebug), BaseContext: func(net.Listener) context.Context { return ctx },
	}
	return g.serve(ctx, socketWebhook, s, w.listener)
}
