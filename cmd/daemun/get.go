package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"daemun/internal/admin"
	"daemun/internal/console"
)

func adminFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("admin-address", defaultAdmin, "admin address of the running Daemun")
}

func getCommand() *cobra.Command {
	var s console.Selection
	var kinds []string
	for _, k := range admin.Kinds() {
		kinds = append(kinds, k.Resource)
	}
	cmd := &cobra.Command{
		Use:       "get KIND [NAME] [flags]",
		Short:     "List what a running Daemun has",
		Long:      "List objects of a running Daemun. KIND is one of " + strings.Join(kinds, ", ") + ".",
		Example:   "  daemun get pods\n  daemun get routes -A\n  daemun get ingress web -n shop -o yaml",
		Args:      cobra.RangeArgs(1, 2),
		ValidArgs: kinds,
	}
	address := adminFlag(cmd)
	cmd.Flags().StringVarP(&s.Namespace, "namespace", "n", "default", "namespace to list")
	cmd.Flags().BoolVarP(&s.AllNamespaces, "all-namespaces", "A", false, "list all namespaces")
	cmd.Flags().StringVarP(&s.Output, "output", "o", "", "wide, json, yaml or name")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		k, err := admin.FindKind(args[0])
		if err != nil {
			return usageError{err}
		}
		if !slices.Contains([]string{"", "wide", "json", "yaml", "name"}, s.Output) {
			return usageError{fmt.Errorf("--output %q: want wide, json, yaml or name", s.Output)}
		}
		if len(args) == 2 {
			s.Name = args[1]
		}
		s.Now = time.Now()
		var list struct {
			Items json.RawMessage `json:"items"`
		}
		if err := (admin.Client{Address: *address}).Get(cmd.Context(), "/api/v1/"+k.Resource, nil, &list); err != nil {
			return err
		}
		err = console.WriteList(cmd.OutOrStdout(), k.Resource, list.Items, s)
		if none := (*console.NoneError)(nil); errors.As(err, &none) {
			fmt.Fprintln(cmd.ErrOrStderr(), none.Message)
			return nil
		}
		return err
	}
	return cmd
}

func logsCommand() *cobra.Command {
	var namespace, container string
	var follow, timestamps bool
	tail := -1
	cmd := &cobra.Command{
		Use:     "logs POD [flags]",
		Short:   "Print what a container of a running Daemun wrote",
		Example: "  daemun logs web-6c5f7d8b9-x2x4k -f\n  daemun logs web-0 -c sidecar --tail 20",
		Args:    cobra.ExactArgs(1),
	}
	address := adminFlag(cmd)
	f := cmd.Flags()
	f.StringVarP(&namespace, "namespace", "n", "default", "namespace of the Pod")
	f.StringVarP(&container, "container", "c", "", "container, if the Pod has several")
	f.BoolVarP(&follow, "follow", "f", false, "go on as more is written")
	f.BoolVar(&timestamps, "timestamps", false, "print the time of each line")
	f.IntVar(&tail, "tail", tail, "number of last lines; -1 is all")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		q := url.Values{"container": {container}, "follow": {strconv.FormatBool(follow)}, "timestamps": {strconv.FormatBool(timestamps)}}
		if tail >= 0 {
			q.Set("tail", strconv.Itoa(tail))
		}
		pod := strings.TrimPrefix(strings.TrimPrefix(args[0], "pods/"), "pod/")
		body, err := (admin.Client{Address: *address}).Open(cmd.Context(), "/api/v1/logs/"+namespace+"/"+pod, q)
		if err != nil {
			return err
		}
		defer body.Close()
		_, err = io.Copy(cmd.OutOrStdout(), body)
		if cmd.Context().Err() != nil {
			return nil // Ctrl-C is how following ends
		}
		return err
	}
	return cmd
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Example: "  daemun version", Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), "daemun "+version) },
	}
}
