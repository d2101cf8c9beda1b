package daemon

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// openProfiler opens the address for profiles, if there is to be one. They show
// memory and can stop the program for seconds, so that all addresses of the
// machine is no choice (H8.1).
func (g *gateway) openProfiler() error {
	if g.config.ProfilerAddress == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(g.config.ProfilerAddress)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		return fmt.Errorf("--profiler-address %q: want one address of this machine, such as 127.0.0.1", host)
	}
	if g.profiler, err = g.open(socketProfiler, g.config.ProfilerAddress); err != nil {
		return fmt.Errorf("%w; choose another with --profiler-port", err)
	}
	return nil
}

func (g *gateway) serveProfiles(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return g.serve(ctx, socketProfiler, s, g.profiler)
}
