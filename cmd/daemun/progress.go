package main

import (
	"slices"

	"github.com/spf13/cobra"

	"daemun/internal/console"
	"daemun/internal/daemon"
	"daemun/internal/translate"
)

// progressOf is for work that may take long. Programs that read what a command
// prints want nothing besides.
func progressOf(cmd *cobra.Command, output string) *console.Progress {
	if slices.Contains([]string{"json", "sarif"}, output) {
		return nil
	}
	return console.NewProgress(cmd.ErrOrStderr())
}

// inspected reads manifests, and says how far it is.
func inspected(cmd *cobra.Command, paths []string, output string, o translate.Options) (*daemon.Inspection, error) {
	progress := progressOf(cmd, output)
	defer progress.End()
	return manifestsOf(cmd, paths, progress).Inspect(o)
}

func manifestsOf(cmd *cobra.Command, paths []string, progress *console.Progress) daemon.Manifests {
	return daemon.Manifests{Paths: paths, Stdin: cmd.InOrStdin(), Told: func(done, all int) { progress.Count("files read:", done, all) }}
}
