package main

import (
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"daemun/internal/admin"
	"daemun/internal/console"
	"daemun/internal/daemon"
	"daemun/internal/explain"
)

func explainCommand() *cobra.Command {
	options := upTranslate()
	request, output := explain.Request{}, ""
	cmd := &cobra.Command{
		Use:   "explain [flags] URL [PATH...]",
		Short: "Say why a URL goes where it goes",
		Long: `Print the decision trail of one request: which host block won, every path that
was looked at and why it won or lost, the policies, the endpoints. Without PATH it
asks the running Daemun; with PATH it reads manifests and assumes ready Pods.`,
		Example: "  daemun explain http://hello.localhost:8080/hostname\n  daemun explain https://shop.example/cart manifests/",
		Args:    cobra.MinimumNArgs(1),
	}
	address := adminFlag(cmd)
	f := cmd.Flags()
	f.StringVarP(&request.Method, "method", "X", "GET", "method of the request")
	f.StringVarP(&output, "output", "o", "", "json")
	translateFlags(cmd, &options)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if output != "" && output != "json" {
			return usageError{fmt.Errorf("--output %q: want json", output)}
		}
		request.URL = args[0]
		answer, err := explained(cmd, *address, request, args[1:], func(paths []string) (*daemon.Inspection, error) {
			return daemon.Inspect(paths, cmd.InOrStdin(), options)
		})
		if err != nil {
			return err
		}
		if output == "json" {
			e := json.NewEncoder(cmd.OutOrStdout())
			e.SetIndent("", "  ")
			return e.Encode(answer)
		}
		return console.WriteAnswer(cmd.OutOrStdout(), answer)
	}
	return cmd
}

// explained asks the manifests if there are any, else the running Daemun.
func explained(cmd *cobra.Command, address string, r explain.Request, paths []string, inspect func([]string) (*daemon.Inspection, error)) (*explain.Answer, error) {
	if len(paths) > 0 {
		in, err := inspect(paths)
		if err != nil {
			return nil, err
		}
		defer in.Close()
		return in.Explain(r)
	}
	answer := &explain.Answer{}
	q := url.Values{"url": {r.URL}, "method": {r.Method}}
	if err := (admin.Client{Address: address}).Get(cmd.Context(), "/api/v1/explain", q, answer); err != nil {
		return nil, err
	}
	return answer, nil
}
