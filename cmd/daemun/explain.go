package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"daemun/internal/admin"
	"daemun/internal/console"
	"daemun/internal/daemon"
	"daemun/internal/explain"
)

func explainCommand() *cobra.Command {
	options := upTranslate()
	request, output, client := explain.Request{}, "", ""
	var headers []string
	cmd := &cobra.Command{
		Use:   "explain [flags] URL|CODE [PATH...]",
		Short: "Say why a URL goes where it goes, or what a problem code means",
		Long: `Print the decision trail of one request: which host block won, every path that
was looked at and why it won or lost, the policies, the endpoints. For tcp:// and
udp:// it is that of a connection to a Service: its name in DNS, the rules, the
nodes, the endpoints, and the address that they see. Without PATH it asks the
running Daemun; with PATH it reads manifests and assumes ready Pods.

For the code of a problem, such as DMN0207, print what it means and what to do.`,
		Example: "  daemun explain http://hello.localhost:8080/hostname\n  daemun explain https://shop.example/cart manifests/\n" +
			"  daemun explain tcp://web.default:80\n  daemun explain --client-ip 127.18.0.2 tcp://127.18.0.1:30080\n  daemun explain DMN0207",
		Args: arguments1to(many, "a URL, such as http://shop.example/cart, or the code of a problem"),
	}
	address := adminFlag(cmd)
	f := cmd.Flags()
	f.StringVarP(&request.Method, "method", "X", "GET", "method of the request")
	f.StringArrayVarP(&headers, "header", "H", nil, "\"Name: value\" of the request; may be given more than once")
	f.StringVar(&client, "client-ip", "127.0.0.1", "address that the request or connection comes from; a request without it is anybody's")
	f.StringVarP(&output, "output", "o", "", "json")
	translateFlags(cmd, &options)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if output != "" && output != "json" {
			return usageError{fmt.Errorf("--output %q: want json", output)}
		}
		if problemCode(args[0]) {
			return explainCode(cmd, output, args)
		}
		inspect := func(paths []string) (*daemon.Inspection, error) {
			return inspected(cmd, paths, output, options)
		}
		if explain.IsConnection(args[0]) {
			c, err := explainedConnection(cmd, *address, explain.ConnectionRequest{URL: args[0], Client: client}, args[1:], inspect)
			if err != nil {
				return err
			}
			return printAnswer(cmd, output, c, console.WriteConnection)
		}
		request.URL = args[0]
		if cmd.Flags().Changed("client-ip") {
			request.Client = client
		}
		if len(headers) > 0 {
			var err error
			if request.Headers, err = explain.ParseHeaders(headers); err != nil {
				return usageError{err}
			}
		}
		answer, err := explained(cmd, *address, request, args[1:], inspect)
		if err != nil {
			return err
		}
		return printAnswer(cmd, output, answer, console.WriteAnswer)
	}
	return cmd
}

// problemCode reports whether an argument is a code and no URL.
func problemCode(arg string) bool {
	return len(arg) == len("DMN0207") && strings.EqualFold(arg[:3], "DMN") && strings.Trim(arg[3:], "0123456789") == ""
}

// explainCode says what a problem code means.
func explainCode(cmd *cobra.Command, output string, args []string) error {
	if len(args) > 1 {
		return usageError{fmt.Errorf("%s is a problem code: want no PATH behind it", args[0])}
	}
	c, ok := console.FindCode(args[0])
	if !ok {
		return fmt.Errorf("there is no problem code %s", args[0])
	}
	return printAnswer(cmd, output, c, console.WriteCode)
}

func printAnswer[T any](cmd *cobra.Command, output string, answer T, text func(io.Writer, T) error) error {
	if output == "json" {
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetIndent("", "  ")
		return e.Encode(answer)
	}
	return text(cmd.OutOrStdout(), answer)
}

// explainedConnection is explained for connections to Services.
func explainedConnection(cmd *cobra.Command, address string, r explain.ConnectionRequest, paths []string, inspect func([]string) (*daemon.Inspection, error)) (*explain.Connection, error) {
	if len(paths) > 0 {
		in, err := inspect(paths)
		if err != nil {
			return nil, err
		}
		defer in.Close()
		return in.ExplainConnection(r)
	}
	answer := &explain.Connection{}
	q := url.Values{"url": {r.URL}, "client": {r.Client}}
	if err := (admin.Client{Address: address}).Get(cmd.Context(), "/api/v1/explain/connection", q, answer); err != nil {
		return nil, err
	}
	return answer, nil
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
	q := asked(r)
	if err := (admin.Client{Address: address}).Get(cmd.Context(), "/api/v1/explain", q, answer); err != nil {
		return nil, err
	}
	return answer, nil
}

// asked is the question as the admin address reads it.
func asked(r explain.Request) url.Values {
	q := url.Values{"url": {r.URL}, "method": {r.Method}}
	if r.Client != "" {
		q.Set("client", r.Client)
	}
	for name, values := range r.Headers {
		for _, value := range values {
			q.Add("header", name+": "+value)
		}
	}
	return q
}
