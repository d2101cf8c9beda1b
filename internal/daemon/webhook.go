package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	networkingv1 "k8s.io/api/networking/v1"

	"daemun/internal/admission"
	"daemun/internal/translate"
)

// WebhookConfig says where Ingresses are reviewed before the API server stores
// them; without Address they are not.
type WebhookConfig struct {
	Address          string
	Certificate, Key string
	// ClientAuthority is a file with the authority of the API server's own
	// certificate; empty asks for none.
	ClientAuthority string
}

// webhook is the listener of the validating webhook.
type webhook struct {
	*admission.Webhook
	listener net.Listener
	tls      *tls.Config
}

// openWebhook opens the listener, if there is to be one. inScope may be nil.
func (g *gateway) openWebhook(c WebhookConfig, inScope func(string) bool) error {
	if c.Address == "" {
		return nil
	}
	files, err := admission.NewFiles(c.Certificate, c.Key, g.logger)
	if err != nil {
		return fmt.Errorf("--validating-webhook: %w; name files with --validating-webhook-certificate and --validating-webhook-key", err)
	}
	w := &webhook{Webhook: admission.New(admission.Config{Check: g.check, InScope: inScope, Logger: g.logger})}
	if w.tls, err = admission.TLSConfig(files.Get, c.ClientAuthority); err != nil {
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

// check judges an Ingress by what is in service.
func (g *gateway) check(in *networkingv1.Ingress) (translate.Checked, error) {
	current := g.loop.State().Config
	if current == nil {
		return translate.Checked{}, errors.New("starting: there is no configuration to compare with yet")
	}
	return translate.Check(g.store.View(), current, g.config.Translate, in, time.Now()), nil
}

func (g *gateway) serveWebhook(ctx context.Context) error {
	w := g.webhook
	s := &http.Server{
		Handler: w, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		TLSConfig: w.tls, ErrorLog: slog.NewLogLogger(g.logger.Handler(), slog.LevelDebug), BaseContext: func(net.Listener) context.Context { return ctx },
	}
	return g.serve(ctx, socketWebhook, s, w.listener)
}
