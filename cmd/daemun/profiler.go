package main

import (
	"net"
	"strconv"

	"github.com/spf13/cobra"

	"daemun/internal/daemon"
)

// profilerFlags say whether and where profiles of the program are served.
type profilerFlags struct {
	on   bool
	host string
	port int
}

func (p *profilerFlags) define(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&p.on, "profiling", false, "serve profiles of the program at the profiler address")
	f.StringVar(&p.host, "profiler-address", "127.0.0.1", "host of the profiler address")
	f.IntVar(&p.port, "profiler-port", 10245, "port of the profiler address")
}

func (p *profilerFlags) finish(c *daemon.GatewayConfig) error {
	if p.on {
		c.ProfilerAddress = net.JoinHostPort(p.host, strconv.Itoa(p.port))
	}
	return checkPort("--profiler-port", p.port)
}
