package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"daemun/internal/admin"
	"daemun/internal/console"
	"daemun/internal/diff"
	"daemun/internal/ir"
	"daemun/internal/translate"
)

// trouble ends a command that has no answer, where exit code 1 is one.
type trouble struct{ error }

func diffCommand() *cobra.Command {
	options, output := upTranslate(), ""
	cmd := &cobra.Command{
		Use:   "diff [flags] [OLD] NEW",
		Short: "Say which URLs two sets of manifests serve differently",
		Long: `Translate two sets of manifests, or the running Daemun and one, and compare what
they mean: + for a URL that comes, - for one that goes, ~ for one whose backend or
policies change, with the values. With NEW alone, OLD is the running Daemun.

The exit code is 0 when both serve the same, 1 when not, 2 when there is no answer.`,
		Example: "  daemun diff manifests/                what would change here\n  daemun diff old/ new/\n  git show HEAD:web.yaml | daemun diff - web.yaml",
		Args:    arguments1to(2, "the manifests to compare with the running Daemun, or two sets of them"),
	}
	address := adminFlag(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "", "json")
	translateFlags(cmd, &options)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if output != "" && output != "json" {
			return usageError{fmt.Errorf("--output %q: want json", output)}
		}
		var old json.RawMessage
		var err error
		if len(args) == 1 {
			err = (admin.Client{Address: *address}).Get(cmd.Context(), "/api/v1/config", nil, &old)
		} else {
			old, err = meant(cmd, args[0], output, options)
		}
		if err != nil {
			return trouble{err}
		}
		now, err := meant(cmd, args[len(args)-1], output, options)
		if err != nil {
			return trouble{err}
		}
		changes, err := diff.Configs(old, now)
		if err != nil {
			return trouble{err}
		}
		if err := printAnswer(cmd, output, changes, console.WriteDiff); err != nil {
			return trouble{err}
		}
		if len(changes) > 0 {
			return findings{}
		}
		return nil
	}
	return cmd
}

// meant is the configuration of manifests, as JSON. Objects that are wrong are
// not served, so that they are worth a line.
func meant(cmd *cobra.Command, path, output string, o translate.Options) (json.RawMessage, error) {
	in, err := inspected(cmd, []string{path}, output, o)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	wrong := 0
	for _, p := range in.Problems {
		if p.Severity == ir.SeverityError {
			wrong++
		}
	}
	if wrong > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s has %s: see \"daemun lint %s\"\n", path, console.Counted(wrong, "error"), path)
	}
	return json.Marshal(in.Config)
}

func showCommand() *cobra.Command {
	options, output, host := upTranslate(), "yaml", ""
	cmd := &cobra.Command{
		Use:   "show [flags] [PATH...]",
		Short: "Print the effective configuration",
		Long: `Print what is served after every default, annotation and setting was applied.
Without PATH it asks the running Daemun; with PATH it reads manifests. Passwords
and keys are never part of it.`,
		Example: "  daemun show --host shop.example\n  daemun show -o json manifests/",
	}
	address := adminFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&host, "host", "", "only this host, as its block is called; * is the one for all others")
	f.StringVarP(&output, "output", "o", output, "yaml or json")
	translateFlags(cmd, &options)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if output != "json" && output != "yaml" {
			return usageError{fmt.Errorf("--output %q: want yaml or json", output)}
		}
		raw, err := effective(cmd, *address, args, output, options)
		if err != nil {
			return err
		}
		var config map[string]any
		if err := json.Unmarshal(raw, &config); err != nil {
			return fmt.Errorf("read configuration: %w", err)
		}
		if host != "" {
			if err := keepHost(config, host); err != nil {
				return err
			}
		}
		text, err := json.MarshalIndent(config, "", "  ")
		if err == nil && output == "yaml" {
			text, err = yaml.JSONToYAML(text)
		}
		if err != nil {
			return err
		}
		if output == "json" {
			text = append(text, '\n')
		}
		_, err = cmd.OutOrStdout().Write(text)
		return err
	}
	return cmd
}

func effective(cmd *cobra.Command, address string, paths []string, output string, o translate.Options) (raw json.RawMessage, err error) {
	if len(paths) == 0 {
		err = (admin.Client{Address: address}).Get(cmd.Context(), "/api/v1/config", nil, &raw)
		return raw, err
	}
	in, err := inspected(cmd, paths, output, o)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return json.Marshal(in.Config)
}

// keepHost leaves one host block, with the backends that it uses.
func keepHost(config map[string]any, host string) error {
	var names []string
	hosts, _ := config["hosts"].([]any)
	for _, h := range hosts {
		block, _ := h.(map[string]any)
		name, _ := block["name"].(string)
		if name == "" {
			name = "*"
		}
		if name != host {
			names = append(names, name)
			continue
		}
		used := map[any]bool{}
		routes, _ := block["routes"].([]any)
		for _, r := range routes {
			route, _ := r.(map[string]any)
			used[route["backend"]] = true
		}
		backends, _ := config["backends"].([]any)
		config["hosts"] = []any{block}
		config["backends"] = slices.DeleteFunc(backends, func(b any) bool {
			backend, _ := b.(map[string]any)
			return !used[backend["id"]]
		})
		delete(config, "certificates")
		return nil
	}
	const most = 5
	if len(names) > most {
		names = append(names[:most], "…")
	}
	return fmt.Errorf("no host block %q; there are %s", host, strings.Join(names, ", "))
}
