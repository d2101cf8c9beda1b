package daemon

import (
	"errors"

	"daemun/internal/metrics"
	"daemun/internal/overload"
	"daemun/internal/watchdog"
)

// newOverload watches the memory of the process.
func (g *gateway) newOverload() *overload.Watch {
	return overload.New(overload.Config{Act: g.shed, Logger: g.logger})
}

// shed does what a step asks for (H6.19). It is asked again as long as there is
// one, so that who became idle since is closed, too.
func (g *gateway) shed(s overload.Step) {
	g.spool.Spare(s >= overload.Spare)
	g.proxy.Refuse(s >= overload.Refuse)
	g.full.Store(s >= overload.Close) // listeners and layer 4 look at it
	if s >= overload.Spare {
		g.proxy.ShedAllIdle()
		g.upstreams.CloseIdle()
	}
}

// memory is what the metrics show of it.
func (g *gateway) memory() metrics.Memory {
	s := g.overload.Stats()
	return metrics.Memory{Limit: s.Limit, Used: s.Used, Step: int(s.Step), Changes: s.Changes}
}

// watch asks at the ports for HTTP and HTTPS whether anybody answers.
func (g *gateway) watch(members *group, l *listeners) {
	dogs := []*watchdog.Watchdog{
		watchdog.New(watchdog.Config{Address: l.http.Addr().String(), Greeting: g.way.Greeting, Logger: g.logger}),
		watchdog.New(watchdog.Config{Address: l.https.Addr().String(), TLS: true, Greeting: g.way.Greeting, Logger: g.logger}),
	}
	g.watchdogs.Store(&dogs)
	for _, w := range dogs {
		members.start("watchdog", w.Run)
	}
}

// alive is nil as long as clients are answered, at either port.
func (g *gateway) alive() error {
	dogs := g.watchdogs.Load()
	if dogs == nil || g.draining.Load() {
		return nil
	}
	var errs []error
	for _, w := range *dogs {
		errs = append(errs, w.Err())
	}
	return errors.Join(errs...)
}

// healthy is what /healthz says: what the mode has to say, and whether clients
// are answered.
func (g *gateway) healthy() error {
	if g.health == nil {
		return g.alive()
	}
	return errors.Join(g.health(), g.alive())
}
