package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"

	"daemun/internal/admin"
	"daemun/internal/console"
)

func adminFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("admin-address", defaultAdmin, "admin address of the running Daemun")
}

func getCommand() *cobra.Command {
	var q getQuery
	var kinds []string
	for _, k := range admin.Kinds() {
		kinds = append(kinds, k.Resource)
	}
	cmd := &cobra.Command{
		Use: "get KIND [NAME] [flags]", SuggestFor: []string{"describe", "list"},
		Short: "List what a running Daemun has",
		Long:  "List objects of a running Daemun. KIND is one of " + strings.Join(kinds, ", ") + ".",
		Example: "  daemun get pods\n  daemun get routes -A\n  daemun get ingress web -n shop -o yaml\n" +
			"  daemun get pods -l app=web --watch\n  daemun get svc --sort-by .spec.clusterIP --no-headers",
		Args:              arguments1to(2, "a KIND, one of "+strings.Join(kinds, ", ")),
		ValidArgsFunction: completeGet,
	}
	address := adminFlag(cmd)
	f := cmd.Flags()
	f.StringVarP(&q.Namespace, "namespace", "n", "default", "namespace to list")
	f.BoolVarP(&q.AllNamespaces, "all-namespaces", "A", false, "list all namespaces")
	f.StringVarP(&q.Output, "output", "o", "", "wide, json, yaml or name")
	f.StringVarP(&q.selector, "selector", "l", "", "labels that the objects have, such as app=web,tier!=test")
	f.StringVar(&q.SortBy, "sort-by", "", "field to order by, as -o json shows it: .metadata.name")
	f.BoolVar(&q.NoHeaders, "no-headers", false, "leave the line with the names of the columns out")
	f.BoolVarP(&q.watch, "watch", "w", false, "go on and print what changes, until Ctrl-C")
	completeNamespaces(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := q.read(args); err != nil {
			return usageError{err}
		}
		if q.watch {
			return q.follow(cmd, *address)
		}
		return q.print(cmd, *address)
	}
	return cmd
}

// getQuery is what `get` is asked for.
type getQuery struct {
	console.Selection
	kind     admin.Kind
	selector string
	watch    bool
}

// read checks the command line.
func (q *getQuery) read(args []string) (err error) {
	name := args[0]
	if len(args) == 2 {
		q.Name = args[1]
	} else if kind, object, ok := strings.Cut(name, "/"); ok { // as kubectl takes it
		name, q.Name = kind, object
	}
	if q.kind, err = admin.FindKind(name); err != nil {
		return err
	}
	if !slices.Contains([]string{"", "wide", "json", "yaml", "name"}, q.Output) {
		return fmt.Errorf("--output %q: want wide, json, yaml or name", q.Output)
	}
	if q.selector == "" {
		return nil
	}
	if !q.kind.Labelled() {
		return fmt.Errorf("--selector: %s have no labels", q.kind.Resource)
	}
	if q.Labels, err = labels.Parse(q.selector); err != nil {
		return fmt.Errorf("--selector %q: want labels such as app=web,tier!=test: %w", q.selector, err)
	}
	return nil
}

func (q *getQuery) fetch(ctx context.Context, address string) (json.RawMessage, error) {
	var list struct {
		Items json.RawMessage `json:"items"`
	}
	q.Now = time.Now()
	err := (admin.Client{Address: address}).Get(ctx, "/api/v1/"+q.kind.Resource, nil, &list)
	return list.Items, err
}

func (q *getQuery) print(cmd *cobra.Command, address string) error {
	items, err := q.fetch(cmd.Context(), address)
	if err != nil {
		return err
	}
	err = console.WriteList(cmd.OutOrStdout(), q.kind.Resource, items, q.Selection)
	if none := (*console.NoneError)(nil); errors.As(err, &none) {
		fmt.Fprintln(cmd.ErrOrStderr(), none.Message)
		return nil
	}
	return err
}

// watchStep is the time between two looks of get --watch.
const watchStep = time.Second

// follow prints the list and what changes in it until Ctrl-C, or until nobody
// reads it.
func (q *getQuery) follow(cmd *cobra.Command, address string) error {
	ticker := time.NewTicker(watchStep)
	defer ticker.Stop()
	var f console.Follower
	for {
		items, err := q.fetch(cmd.Context(), address)
		if err == nil {
			err = f.Write(cmd.OutOrStdout(), q.kind.Resource, items, q.Selection)
		}
		if cmd.Context().Err() != nil {
			return nil // Ctrl-C is how watching ends
		}
		if err != nil {
			return err
		}
		select {
		case <-cmd.Context().Done():
			return nil
		case <-ticker.C:
			if unread(cmd.OutOrStdout()) {
				return nil
			}
		}
	}
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Example: "  daemun version", Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), "daemun "+version) },
	}
}
