package daemon

import (
	"context"
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
	g.full.Store(s >= overload.Close)
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

// watch asks at the port for HTTP whether anybody answers.
func (g *gateway) watch(ctx context.Context) error { return g.watchdog.Load().Run(ctx) }

func (g *gateway) newWatchdog(address string) *watchdog.Watchdog {
	return watchdog.New(watchdog.Config{Address: address, Greeting: g.way.Greeting, Logger: g.logger})
}

// alive is nil as long as clients are answered.
func (g *gateway) alive() error {
	if w := g.watchdog.Load(); w != nil && !g.draining.Load() {
		return w.Err()
	}
	return nil
}

// healthy is what /healthz says: what the mode has to say, and whether clients
// are answered.
func (g *gateway) healthy() error {
	if g.health == nil {
		return g.alive()
	}
	return errors.Join(g.health(), g.alive())
}
