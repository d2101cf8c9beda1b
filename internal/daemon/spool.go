package daemon

import (
	"sync/atomic"
	"time"

	"daemun/internal/metrics"
	"daemun/internal/spool"
)

// newSpool makes the place for bodies that are buffered. Without a folder for
// files long request bodies are streamed, and responses are buffered in memory
// only.
func (g *gateway) newSpool() *spool.Pool {
	var last atomic.Pointer[time.Time] // when a failure was told
	p := spool.New(spool.Config{Dir: g.config.TempDir, Disk: g.config.TempLimit, Failed: func(err error) {
		now := time.Now()
		if then := last.Load(); (then == nil || now.Sub(*then) >= time.Minute) && last.CompareAndSwap(then, &now) {
			g.logger.Error("a body could not be buffered; requests with such bodies get 500", "err", err)
		}
	}})
	if err := p.Probe(); err != nil {
		g.logger.Warn("no temporary files can be made; long request bodies are streamed: give --temp-dir a folder that can be written to", "err", err)
	}
	return p
}

// buffers is what the metrics show of it.
func (g *gateway) buffers() metrics.Buffers {
	s := g.proxy.Stats()
	return metrics.Buffers{Memory: s.Spool.Memory, Disk: s.Spool.Disk, Files: s.Spool.Files, Failures: s.Spool.Failures, Uncompressed: s.Uncompressed}
}
