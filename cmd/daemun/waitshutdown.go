package main

import (
	"github.com/spf13/cobra"

	"daemun/internal/daemon"
)

func waitShutdownCommand() *cobra.Command {
	return &cobra.Command{
		Use: "wait-shutdown", Short: "Stop the controller of this container and wait for its end", Hidden: true,
		Long:    "Stop the controller of this container and wait for its end: for the preStop hook of a Pod.",
		Example: "  daemun wait-shutdown", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return daemon.WaitShutdown(cmd.Context()) },
	}
}
