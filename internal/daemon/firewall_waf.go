//go:build waf

package daemon

import (
	"log/slog"

	"daemun/internal/waf"
)

func newFirewall(logger *slog.Logger) firewall {
	s := waf.New(logger)
	return firewall{check: s.Check, rules: s.Rules, busy: s.TurnedAway}
}
