package main

import (
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"daemun/internal/admin"
	"daemun/internal/check"
	"daemun/internal/console"
	"daemun/internal/ir"
	"daemun/internal/listen"
)

// checking is what `check` is asked for.
type checking struct {
	pre         bool
	cluster     clusterCheck
	output      string
	listen      string
	http, https int
	resolver    string
}

func checkCommand() *cobra.Command {
	var c checking
	cmd := &cobra.Command{
		Use:   "check [flags]",
		Short: "Say whether Daemun can run here, or whether a running one is well",
		Long: `With --pre, look at this machine before a start: ports, the limit of open files,
the clock, resolvers. With --cluster, look at the cluster that the kubeconfig names:
its version and clock, the rights of a controller there, and who else serves the
same IngressClasses. With neither, ask the running Daemun whether it is ready, which
problems its objects have and which certificates expire within 14 days. It only reads.

The exit code is 1 when something is in the way: a finding that is an error.`,
		Example: "  daemun check --pre --http-port 80 --https-port 443\n  daemun check -o json\n" +
			"  daemun check --cluster --context prod --service-account ingress-nginx/ingress-nginx",
		Args: cobra.NoArgs,
	}
	address := adminFlag(cmd)
	f := cmd.Flags()
	f.BoolVar(&c.pre, "pre", false, "look at this machine before a start")
	f.StringVar(&c.listen, "listen-address", "127.0.0.1", "with --pre: address that would serve; empty is all")
	f.IntVar(&c.http, "http-port", 8080, "with --pre: port for HTTP")
	f.IntVar(&c.https, "https-port", 8443, "with --pre: port for HTTPS")
	f.StringVar(&c.resolver, "resolv-conf", "/etc/resolv.conf", "with --pre: file that names the resolvers")
	c.cluster.define(f)
	f.StringVarP(&c.output, "output", "o", "", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if c.output != "" && c.output != "json" {
			return usageError{fmt.Errorf("--output %q: want json", c.output)}
		}
		for name, port := range map[string]int{"--http-port": c.http, "--https-port": c.https} {
			if err := checkPort(name, port); err != nil {
				return usageError{err}
			}
		}
		if err := c.cluster.check(); err != nil {
			return usageError{err}
		}
		list, err := c.findings(cmd, *address)
		if err != nil {
			return err
		}
		return c.print(cmd, list)
	}
	return cmd
}

// findings looks at what the flags name.
func (c *checking) findings(cmd *cobra.Command, address string) ([]ir.Problem, error) {
	if !c.pre && !c.cluster.wanted {
		return running(cmd, address)
	}
	var list []ir.Problem
	if c.pre {
		found, err := c.host(address)
		if err != nil {
			return nil, err
		}
		list = found
	}
	if c.cluster.wanted {
		found, err := c.cluster.findings(cmd, c.output)
		if err != nil {
			return nil, err
		}
		list = append(list, found...)
	}
	return list, nil
}

// host looks at this machine.
func (c *checking) host(address string) ([]ir.Problem, error) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return nil, fmt.Errorf("read the limit of open files: %w", err)
	}
	return check.Host{
		Ports: []check.Port{
			{Flag: "--http-port", Address: net.JoinHostPort(c.listen, strconv.Itoa(c.http))},
			{Flag: "--https-port", Address: net.JoinHostPort(c.listen, strconv.Itoa(c.https))},
			{Flag: "--admin-address", Address: address},
		},
		Resolver: c.resolver, Files: files.Cur, Now: time.Now(),
	}.Findings(), nil
}

// running asks the running Daemun.
func running(cmd *cobra.Command, address string) ([]ir.Problem, error) {
	client := admin.Client{Address: address}
	var problems struct {
		Items []ir.Problem `json:"items"`
	}
	if err := client.Get(cmd.Context(), "/api/v1/problems", nil, &problems); err != nil {
		return nil, err
	}
	var certificates struct {
		Items []listen.CertificateInfo `json:"items"`
	}
	if err := client.Get(cmd.Context(), "/api/v1/certificates", nil, &certificates); err != nil {
		return nil, err
	}
	body, err := client.Open(cmd.Context(), "/readyz", nil)
	if err == nil {
		body.Close()
	}
	list := append(check.Ready(err), check.Certificates(certificates.Items, time.Now())...)
	return append(list, problems.Items...), nil
}

// print shows the findings; an error among them makes the exit code.
func (c *checking) print(cmd *cobra.Command, list []ir.Problem) error {
	counts := map[ir.Severity]int{}
	for _, p := range list {
		counts[p.Severity]++
		if c.output == "" {
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", p.Severity, p)
		}
	}
	if c.output == "json" {
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetIndent("", "  ")
		if err := e.Encode(append([]ir.Problem{}, list...)); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s, %s, %s\n", console.Counted(counts[ir.SeverityError], "error"),
			console.Counted(counts[ir.SeverityWarning], "warning"), console.Counted(counts[ir.SeverityNotice], "notice"))
	}
	if counts[ir.SeverityError] > 0 {
		return findings{}
	}
	return nil
}
