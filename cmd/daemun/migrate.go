package main

import (
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"daemun/internal/daemon"
	"daemun/internal/kube"
	"daemun/internal/migrate"
	"daemun/internal/translate"
)

func migrateCommand() *cobra.Command {
	options := translateOptions()
	access, scope := kube.Access{UserAgent: "daemun/" + version}, kube.Scope{}
	threshold, output := string(migrate.Unsupported), ""
	cmd := &cobra.Command{
		Use:   "migrate [flags] [PATH...]",
		Short: "Say what becomes of a set-up of ingress-nginx",
		Long: `Read the Ingresses and the ConfigMap of an ingress-nginx from manifests (PATH),
or from the cluster that the kubeconfig names, and say for each setting whether
it is kept, changes, or is not supported. Nothing is changed. Give the flags
that the ingress-nginx runs with, above all --configmap.

The exit code is 1 from the chosen verdict on, 2 for a wrong command line.`,
		Example: `  daemun migrate --configmap ingress-nginx/ingress-nginx-controller
  daemun migrate --context prod --watch-namespace shop -o json
  kubectl get ingress,configmap -A -o yaml | daemun migrate -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "" && output != "json" {
				return usageError{fmt.Errorf("--output %q: want json", output)}
			}
			if threshold != string(migrate.Unsupported) && threshold != string(migrate.Changed) {
				return usageError{fmt.Errorf("--failure-threshold %q: want unsupported or changed", threshold)}
			}
			report, err := survey(cmd, args, surveyed{access, scope, output}, options)
			if err != nil {
				return err
			}
			if err := printReport(cmd, report, output); err != nil {
				return err
			}
			if report.Summary[migrate.Unsupported] > 0 || threshold == string(migrate.Changed) && report.Summary[migrate.Changed] > 0 {
				return findings{}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&access.Kubeconfig, "kubeconfig", "", "file that says how to reach the API server")
	f.StringVar(&access.Context, "context", "", "context of the kubeconfig")
	f.StringVar(&scope.Namespace, "watch-namespace", "", "the only namespace to read")
	f.StringVar(&scope.Selector, "watch-namespace-selector", "", "labels of the namespaces to read")
	f.StringVar(&threshold, "failure-threshold", threshold, "verdict that makes the exit code 1: unsupported or changed")
	f.StringVarP(&output, "output", "o", "", "json")
	translateFlags(cmd, &options)
	return cmd
}

// surveyed is the cluster to be read, and how the report will be printed.
type surveyed struct {
	access kube.Access
	scope  kube.Scope
	output string
}

func survey(cmd *cobra.Command, paths []string, s surveyed, o translate.Options) (*migrate.Report, error) {
	progress := progressOf(cmd, s.output)
	defer progress.End()
	if len(paths) > 0 {
		if !cmd.Flags().Changed("watch-ingress-without-class") {
			o.WithoutClass = true // files often rely on the default class
		}
		return daemon.MigrateFiles(manifestsOf(cmd, paths, progress), o)
	}
	kube.RedirectLogs(slog.New(slog.DiscardHandler))
	progress.Step("reading the cluster")
	return daemon.MigrateCluster(cmd.Context(), s.access, s.scope, o, func(done, all int) { progress.Count("kinds of objects read:", done, all) })
}

func printReport(cmd *cobra.Command, r *migrate.Report, output string) error {
	if output == "json" {
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	if err := r.Print(cmd.OutOrStdout()); err != nil {
		return err
	}
	fmt.Fprintln(cmd.ErrOrStderr(), r.Line())
	return nil
}
