// Command daemun brings traffic to Kubernetes Services: see "daemun help".
//
// This package turns arguments into one configuration value and calls the
// package that does the work; it holds no logic of its own.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"daemun/internal/process"
)

// version is stamped by the build: -ldflags "-X main.version=v1.2.3".
var version = "development"

// The exit codes (docs/cli.md).
const (
	exitFindings = 1
	exitUsage    = 2
)

func main() {
	process.ShimMain()
	// The image gives this file a capability (NET_BIND_SERVICE). The kernel then
	// starts it in secure mode, in which Go prints no stack when it dies of a
	// panic: nobody could say why.
	debug.SetTraceback("single")
	os.Exit(run(arguments(os.Args), os.Stdin, os.Stdout, os.Stderr))
}

// arguments adds the command that the name of the program stands for: images
// and manifests of ingress-nginx start /nginx-ingress-controller with flags
// only, and /wait-shutdown in the preStop hook.
func arguments(argv []string) []string {
	args := argv[1:]
	switch filepath.Base(argv[0]) {
	case "nginx-ingress-controller":
		return append([]string{"controller"}, args...)
	case "wait-shutdown":
		return append([]string{"wait-shutdown"}, args...)
	case "kubectl-daemun": // kubectl daemun …
		return args
	case "kubectl_complete-daemun": // what kubectl asks for completion
		return append([]string{"__complete"}, args...)
	}
	if len(args) > 0 && strings.HasPrefix(args[0], "--") && args[0] != "--help" {
		return append([]string{"controller"}, args...)
	}
	return args
}

// run is main without the process around it, for tests.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	kill := make(chan struct{})
	ctx, stop := interrupts(kill)
	defer stop()
	root := rootCommand(kill)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	switch e := err.(type) {
	case nil:
		return 0
	case findings:
		return exitFindings
	case trouble:
		fmt.Fprintf(stderr, "daemun: %v\n", e)
		return exitUsage
	case usageError:
		fmt.Fprintf(stderr, "daemun: %v\nSee \"%s --help\".\n", e, cmd.CommandPath())
		return exitUsage
	default:
		fmt.Fprintf(stderr, "daemun: %v\n", err)
		return exitFindings
	}
}

// findings ends a command with exit code 1 after it has printed what it found.
type findings struct{}

func (findings) Error() string { return "problems found" }

// usageError is a wrong command line.
type usageError struct{ error }

// interrupts returns a context that ends at the first SIGINT or SIGTERM; the
// second one closes kill.
func interrupts(kill chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { // lives as long as the process
		<-signals
		cancel()
		<-signals
		close(kill)
	}()
	return ctx, func() { signal.Stop(signals); cancel() }
}

func rootCommand(kill <-chan struct{}) *cobra.Command {
	root := &cobra.Command{
		Use:   "daemun",
		Short: "Bring traffic to Kubernetes Services",
		Long: `Daemun is an Ingress controller with its own data plane and the Service
network behind it. "daemun up" runs plain Kubernetes manifests on this machine,
without a cluster, root or containers.`,
		Example: `  daemun up examples/hello          run manifests, serve their Ingresses
  daemun get routes -A              what is served
  daemun explain http://hello.localhost:8080/
  daemun lint manifests/            what is wrong with these files`,
		SilenceErrors: true, SilenceUsage: true, SuggestionsMinimumDistance: 2,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return flagsFromEnv(cmd) },
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError{flagError(cmd, err)} })
	root.AddCommand(upCommand(kill), controllerCommand(kill), getCommand(), explainCommand(), lintCommand(), migrateCommand(), logsCommand(), tapCommand(), topCommand(), diffCommand(), showCommand(), checkCommand(),
		versionCommand(), echoCommand(), waitShutdownCommand())
	for _, cmd := range append(root.Commands(), root) {
		completeWords(cmd)
		if check := cmd.Args; check != nil {
			cmd.Args = func(cmd *cobra.Command, args []string) error {
				if err := check(cmd, args); err != nil {
					return usageError{err}
				}
				return nil
			}
		}
	}
	return root
}

// unknownCommand names the nearest command, if one is near.
func unknownCommand(root *cobra.Command, name string) error {
	if near := root.SuggestionsFor(name); len(near) > 0 {
		return fmt.Errorf("unknown command %q; did you mean %s?", name, near[0])
	}
	return fmt.Errorf("unknown command %q", name)
}
