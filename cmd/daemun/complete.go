package main

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"daemun/internal/admin"
)

// completionTime is how long a shell waits for a running Daemun.
const completionTime = 2 * time.Second

// named is what completion has to know of an object.
type named struct {
	Metadata struct{ Name, Namespace string } `json:"metadata"`
	// Daemun's own kinds have them outside.
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	// Routes are called by these.
	Host    string                     `json:"host"`
	Path    string                     `json:"path"`
	Ingress struct{ Namespace string } `json:"ingress"`
}

// liveNames asks the running Daemun; nobody hears of failures, as a shell has
// no place for them.
func liveNames(cmd *cobra.Command, resource string, pick func(named) string) []string {
	ctx, cancel := context.WithTimeout(context.Background(), completionTime)
	defer cancel()
	// The shell runs completion instead of the command: nobody has read them yet.
	if flagsFromEnv(cmd) != nil {
		return nil
	}
	address, err := cmd.Flags().GetString("admin-address")
	if err != nil {
		return nil
	}
	var list struct {
		Items []named `json:"items"`
	}
	if (admin.Client{Address: address}).Get(ctx, "/api/v1/"+resource, nil, &list) != nil {
		return nil
	}
	var names []string
	for _, item := range list.Items {
		if name := pick(item); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// objectNames are the names in the namespace of the command.
func objectNames(cmd *cobra.Command, k admin.Kind) []string {
	namespace, _ := cmd.Flags().GetString("namespace")
	return liveNames(cmd, k.Resource, func(n named) string {
		name, in := n.Metadata.Name+n.Name, n.Metadata.Namespace+n.Namespace
		if k.Resource == "routes" { // called as the table calls them
			name, in = cmp.Or(n.Host, "*")+n.Path, cmp.Or(n.Ingress.Namespace, namespace)
		}
		if k.Namespaced && in != namespace {
			return ""
		}
		return name
	})
}

func completeGet(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var list []string
	if len(args) == 0 {
		for _, k := range admin.Kinds() {
			list = append(list, k.Resource)
		}
		return list, cobra.ShellCompDirectiveNoFileComp
	}
	if k, err := admin.FindKind(args[0]); err == nil && len(args) == 1 {
		list = objectNames(cmd, k)
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

func completePods(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return objectNames(cmd, admin.Kind{Resource: "pods", Namespaced: true}), cobra.ShellCompDirectiveNoFileComp
}

// completeWords completes the flags of a command that take one of a few words.
func completeWords(cmd *cobra.Command) {
	words := map[string][]string{
		"get --output": {"wide", "json", "yaml", "name"}, "lint --output": {"json", "sarif"}, "show --output": {"yaml", "json"},
		"lint --severity": {"error", "warning", "notice"}, "lint --failure-threshold": {"error", "warning", "notice"},
		"migrate --failure-threshold": {"unsupported", "changed"}, "top --sort-by": {"requests", "errors", "p99"},
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		list := words[cmd.Name()+" --"+f.Name]
		if list == nil && f.Name == "output" {
			list = []string{"json"}
		}
		if list != nil {
			// The only error is a flag that does not exist.
			_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp))
		}
	})
}

// completeNamespaces completes --namespace with those that something is in.
func completeNamespaces(cmd *cobra.Command) {
	// The only error is a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("namespace", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		list := liveNames(cmd, "namespaces", func(n named) string { return n.Metadata.Name })
		for _, resource := range []string{"services", "ingresses", "pods"} {
			list = append(list, liveNames(cmd, resource, func(n named) string { return n.Metadata.Namespace })...)
		}
		slices.Sort(list)
		return slices.Compact(list), cobra.ShellCompDirectiveNoFileComp
	})
}
