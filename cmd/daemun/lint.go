package main

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"daemun/internal/daemon"
	"daemun/internal/ir"
)

func lintCommand() *cobra.Command {
	options := upTranslate()
	threshold, output := string(ir.SeverityError), ""
	cmd := &cobra.Command{
		Use:   "lint [flags] [PATH...]",
		Short: "Say what is wrong with manifests",
		Long: `Read manifests as "daemun up" does, without running anything, and print one
line per problem: file:line:column: Kind namespace/name: field: what is wrong and
what would be right. Without PATH it reads the current folder.

The exit code is 1 from the chosen severity on, 2 for a wrong command line.`,
		Example: "  daemun lint manifests/\n  daemun lint --failure-threshold warning -o json .",
	}
	f := cmd.Flags()
	f.StringVar(&threshold, "failure-threshold", threshold, "least severity that makes the exit code 1: error, warning or notice")
	f.StringVarP(&output, "output", "o", "", "json")
	translateFlags(cmd, &options)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		severities := []string{string(ir.SeverityError), string(ir.SeverityWarning), string(ir.SeverityNotice)}
		failing := slices.Index(severities, threshold)
		if failing < 0 {
			return usageError{fmt.Errorf("--failure-threshold %q: want error, warning or notice", threshold)}
		}
		if output != "" && output != "json" {
			return usageError{fmt.Errorf("--output %q: want json", output)}
		}
		if len(args) == 0 {
			args = []string{"."}
		}
		in, err := daemon.Inspect(args, cmd.InOrStdin(), options)
		if err != nil {
			return err
		}
		defer in.Close()
		if err := printProblems(cmd, in, output); err != nil {
			return err
		}
		for _, p := range in.Problems {
			if slices.Index(severities, string(p.Severity)) <= failing {
				return findings{}
			}
		}
		return nil
	}
	return cmd
}

func printProblems(cmd *cobra.Command, in *daemon.Inspection, output string) error {
	if output == "json" {
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetIndent("", "  ")
		return e.Encode(map[string]any{"objects": in.Objects, "problems": append([]ir.Problem{}, in.Problems...)})
	}
	counts := map[ir.Severity]int{}
	for _, p := range in.Problems {
		counts[p.Severity]++
		fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", p.Severity, p)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%d objects: %d errors, %d warnings, %d notices\n", in.Objects,
		counts[ir.SeverityError], counts[ir.SeverityWarning], counts[ir.SeverityNotice])
	return nil
}
