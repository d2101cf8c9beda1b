package main

import (
	"github.com/spf13/cobra"

	"daemun/internal/daemon"
)

// bufferFlags say where bodies go that are longer than memory should hold.
func bufferFlags(cmd *cobra.Command, c *daemon.GatewayConfig) {
	f := cmd.Flags()
	f.StringVar(&c.TempDir, "temp-dir", "", "folder for bodies that are buffered and too long for memory (default: $TMPDIR or /tmp)")
	f.Int64Var(&c.TempLimit, "temp-limit", 0, "bytes that all of them may take there; 0 is as many as the disk has")
}
