package main

import (
	"os"

	"github.com/spf13/cobra"

	"daemun/internal/echo"
)

// echoCommand is the program of the built-in image daemun/echo.
func echoCommand() *cobra.Command {
	return &cobra.Command{
		Use: "echo", Short: "Run the echo server of the image daemun/echo", Args: cobra.NoArgs, Hidden: true,
		Example: "  HTTP_PORT=3000 POD_NAME=me daemun echo",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return echo.Run(cmd.Context(), os.Getenv, cmd.OutOrStdout())
		},
	}
}
