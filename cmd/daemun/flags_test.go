package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestGeneratedFlags keeps docs/flags.md up to date: `make generate` writes it.
func TestGeneratedFlags(t *testing.T) {
	t.Parallel()
	const path = "../../docs/flags.md"
	text := flagsMarkdown()
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(text, string(have)); d != "" {
		t.Errorf("%s is out of date, run make generate:\n%s", path, d)
	}
}

// flagsMarkdown has a table for each command that a user may call.
func flagsMarkdown() string {
	var b strings.Builder
	b.WriteString("# Flags\n\nMade from the program by `make generate`. What they have in common, and exit codes, are in [cli.md](cli.md). Each flag can be set by a variable: `--http-port` by\n`DAEMUN_HTTP_PORT`.\n")
	for _, cmd := range rootCommand(nil).Commands() {
		if cmd.Hidden || !cmd.Flags().HasAvailableFlags() {
			continue
		}
		writeFlags(&b, cmd)
	}
	return b.String()
}

func writeFlags(b *strings.Builder, cmd *cobra.Command) {
	fmt.Fprintf(b, "\n## %s\n\n%s.\n\n| flag | default | meaning |\n|---|---|---|\n", cmd.CommandPath(), strings.TrimSuffix(cmd.Short, "."))
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		_, usage := pflag.UnquoteUsage(f)
		fmt.Fprintf(b, "| %s | %s | %s |\n", name, shownDefault(f), cell(usage))
	})
}

// shownDefault leaves out defaults that say nothing.
func shownDefault(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "[]":
		return ""
	}
	if home, err := os.UserCacheDir(); err == nil && strings.HasPrefix(f.DefValue, home) {
		return "in the user's cache folder"
	}
	return "`" + cell(f.DefValue) + "`"
}

// cell is text that does not end a cell of a table.
func cell(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\n", " "), "|", "\\|")
}
