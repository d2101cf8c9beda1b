package daemon

import (
	"net/http"

	"daemun/internal/admin"
	"daemun/internal/dashboard"
	"daemun/internal/store"
)

// dashboard is what a browser sees at the admin address.
func (g *gateway) dashboard() http.Handler {
	c := dashboard.Config{
		Version: g.config.Version, View: g.store.View, State: g.loop.State, Table: g.table.Load,
		Problems: g.problems.list, Certificates: g.certs.Info, Ready: g.readiness,
		History: g.history, Tap: g.tap, Source: g.source, Explain: g.explain, ExplainConnection: g.explainConnection,
		Entrance: g.httpAddress, Logger: g.logger,
	}
	if g.logPath != nil {
		c.Log = func(pod store.Name, container string, lines int) ([]byte, error) {
			return admin.Tail(g.logPath(pod, container), lines)
		}
	}
	return dashboard.New(c)
}

// httpAddress is the address that serves http, "" before it is open.
func (g *gateway) httpAddress() string {
	l := g.listeners.Load()
	if l == nil {
		return ""
	}
	return l.http.Addr().String()
}
