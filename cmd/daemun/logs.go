package main

import (
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"daemun/internal/daemon"
)

// logFlags say how Daemun tells of itself, and where access logs may go.
type logFlags struct{ format, level string }

func (f *logFlags) define(cmd *cobra.Command, c *daemon.GatewayConfig) {
	flags := cmd.Flags()
	flags.StringVar(&f.format, "log-format", "text", "text or json, one record per line")
	flags.StringVar(&f.level, "log-level", "info", "least severity that is logged: debug, info, warn or error; error-log-level of the ConfigMap may say another")
	flags.StringVar(&c.AccessLogDir, "access-log-dir", "", "folder below which the ConfigMap may name files for access logs; none if empty")
}

// finish checks the flags; verbosity is klog's.
func (f *logFlags) finish(c *daemon.GatewayConfig, verbosity int) error {
	switch f.format {
	case "text":
	case "json":
		c.Log.JSON = true
	default:
		return fmt.Errorf("--log-format %q: want text or json", f.format)
	}
	switch strings.ToLower(f.level) {
	case "debug", "info", "warn", "error":
		_ = c.Log.Level.UnmarshalText([]byte(f.level)) // one of those
	default:
		return fmt.Errorf("--log-level %q: want debug, info, warn or error", f.level)
	}
	if verbosity > 0 {
		c.Log.Level = min(c.Log.Level, slog.LevelDebug)
	}
	if c.AccessLogDir != "" {
		if st, err := os.Stat(c.AccessLogDir); err != nil || !st.IsDir() {
			return fmt.Errorf("--access-log-dir %s: want a folder that exists", c.AccessLogDir)
		}
	}
	c.Reopen = reopenSignals()
	return nil
}

// reopenSignals gets SIGUSR1, which asks nginx, too, to open its log files
// anew. It lives as long as the process.
func reopenSignals() <-chan os.Signal {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	return signals
}
