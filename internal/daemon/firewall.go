package daemon

import (
	"log/slog"

	"daemun/internal/policy"
	"daemun/internal/translate"
)

// firewall is what only builds with the tag waf have: all functions are nil in
// others.
type firewall struct {
	check func(rules string) error
	rules func(text string) policy.Rules
	// busy counts what was not judged for want of time.
	busy func() uint64
}

// withFirewall lets translation judge rules where nothing is served.
func withFirewall(o translate.Options) translate.Options {
	o.CheckRules = newFirewall(slog.New(slog.DiscardHandler)).check
	return o
}
