package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"daemun/internal/console"
	"daemun/internal/daemon"
	"daemun/internal/fix"
	"daemun/internal/ir"
	"daemun/internal/translate"
)

// linting is what `lint` is asked for.
type linting struct {
	options                     translate.Options
	threshold, severity, output string
	fix, dryRun                 bool
}

// severities are from the worst to the least.
func severities() []string {
	return []string{string(ir.SeverityError), string(ir.SeverityWarning), string(ir.SeverityNotice)}
}

func lintCommand() *cobra.Command {
	l := linting{options: upTranslate(), threshold: string(ir.SeverityError), severity: string(ir.SeverityNotice)}
	cmd := &cobra.Command{
		Use:   "lint [flags] [PATH...]",
		Short: "Say what is wrong with manifests",
		Long: `Read manifests as "daemun up" does, without running anything, and print one
line per problem: file:line:column: Kind namespace/name: field: what is wrong and
what would be right. Without PATH it reads the current folder.

With --fix it first mends what has one way out only: misspelt names of
annotations and fields, old forms of objects, the deprecated annotation
kubernetes.io/ingress.class. Comments and layout stay.

The exit code is 1 from the chosen severity on, 2 for a wrong command line.`,
		Example: "  daemun lint manifests/\n  daemun lint --failure-threshold warning -o json .\n" +
			"  daemun lint --fix --dry-run manifests/\n  daemun lint -o sarif . > daemun.sarif",
	}
	f := cmd.Flags()
	f.StringVar(&l.threshold, "failure-threshold", l.threshold, "least severity that makes the exit code 1: error, warning or notice")
	f.StringVar(&l.severity, "severity", l.severity, "least severity that is printed: error, warning or notice")
	f.StringVarP(&l.output, "output", "o", "", "json or sarif")
	f.BoolVar(&l.fix, "fix", false, "mend the files where there is one way only")
	f.BoolVar(&l.dryRun, "dry-run", false, "with --fix: print what would change, and change nothing")
	translateFlags(cmd, &l.options)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			args = []string{"."}
		}
		if err := l.check(args); err != nil {
			return usageError{err}
		}
		if l.fix {
			if err := l.mend(cmd, args); err != nil || l.dryRun {
				return err
			}
		}
		return l.run(cmd, args)
	}
	return cmd
}

func (l *linting) check(args []string) error {
	for _, f := range []struct{ name, value string }{{"failure-threshold", l.threshold}, {"severity", l.severity}} {
		if !slices.Contains(severities(), f.value) {
			return fmt.Errorf("--%s %q: want error, warning or notice", f.name, f.value)
		}
	}
	switch {
	case !slices.Contains([]string{"", "json", "sarif"}, l.output):
		return fmt.Errorf("--output %q: want json or sarif", l.output)
	case l.dryRun && !l.fix:
		return fmt.Errorf("--dry-run: only with --fix")
	case l.fix && slices.Contains(args, "-"):
		return fmt.Errorf("--fix: want files to mend; standard input is none")
	}
	return nil
}

// inspect reads the manifests, with what only lint tells.
func (l *linting) inspect(cmd *cobra.Command, args []string) (*daemon.Inspection, error) {
	in, err := inspected(cmd, args, l.output, l.options)
	if err != nil {
		return nil, err
	}
	in.Problems = append(in.Problems, in.OldClasses()...)
	slices.SortFunc(in.Problems, ir.Problem.Compare)
	return in, nil
}

// mend changes the files, or prints how.
func (l *linting) mend(cmd *cobra.Command, args []string) error {
	in, err := l.inspect(cmd, args)
	if err != nil {
		return err
	}
	defer in.Close()
	files, err := in.Mend(l.options)
	if err != nil {
		return err
	}
	word, count := "mended", 0
	if l.dryRun {
		word = "to mend"
	}
	for _, f := range files {
		if l.dryRun {
			fmt.Fprint(cmd.OutOrStdout(), fix.Unified(f.File, string(f.Before), string(f.After)))
		} else if err := fix.Write(f.File, f.Before, f.After); err != nil {
			return err
		}
		for _, p := range f.Done {
			count++
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", word, p)
		}
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s %s in %s\n", console.Counted(count, "problem"), word, console.Counted(len(files), "file"))
	return nil
}

func (l *linting) run(cmd *cobra.Command, args []string) error {
	in, err := l.inspect(cmd, args)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := l.print(cmd.OutOrStdout(), cmd.ErrOrStderr(), in); err != nil {
		return err
	}
	if slices.ContainsFunc(in.Problems, func(p ir.Problem) bool { return atLeast(p.Severity, l.threshold) }) {
		return findings{}
	}
	return nil
}

// atLeast reports whether a severity is as bad as the one that is named.
func atLeast(s ir.Severity, least string) bool {
	return slices.Index(severities(), string(s)) <= slices.Index(severities(), least)
}

func (l *linting) print(stdout, stderr io.Writer, in *daemon.Inspection) error {
	shown := []ir.Problem{}
	counts := map[ir.Severity]int{}
	for _, p := range in.Problems {
		counts[p.Severity]++
		if atLeast(p.Severity, l.severity) {
			shown = append(shown, p)
		}
	}
	switch l.output {
	case "json":
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		return e.Encode(map[string]any{"objects": in.Objects, "problems": shown})
	case "sarif":
		return console.WriteSARIF(stdout, version, shown)
	}
	for _, p := range shown {
		fmt.Fprintf(stdout, "%s: %s\n", p.Severity, p)
	}
	fmt.Fprintf(stderr, "%s: %s, %s, %s\n", console.Counted(in.Objects, "object"), console.Counted(counts[ir.SeverityError], "error"),
		console.Counted(counts[ir.SeverityWarning], "warning"), console.Counted(counts[ir.SeverityNotice], "notice"))
	return nil
}
