package main

import (
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"daemun/internal/check"
	"daemun/internal/ir"
	"daemun/internal/kube"
)

// clusterCheck is what `check --cluster` is asked for.
type clusterCheck struct {
	wanted  bool
	access  kube.Access
	rights  check.Rights
	ours    []string
	class   string
	without bool
}

func (c *clusterCheck) define(f *pflag.FlagSet) {
	defaults := translateOptions()
	f.BoolVar(&c.wanted, "cluster", false, "look at the cluster that the kubeconfig names")
	f.StringVar(&c.access.Kubeconfig, "kubeconfig", "", "with --cluster: file that says how to reach the API server")
	f.StringVar(&c.access.Context, "context", "", "with --cluster: context of the kubeconfig")
	f.StringVar(&c.rights.Account, "service-account", "", "with --cluster: NAMESPACE/NAME of the account whose rights to look at; those of whoever asks if empty")
	f.StringVar(&c.rights.Watched, "watch-namespace", "", "with --cluster: the only namespace to be served; all if empty")
	f.StringVar(&c.rights.Election, "election-id", "ingress-controller-leader", "with --cluster: name of the Lease that decides who writes status")
	f.StringSliceVar(&c.ours, "controller-class", defaults.Controllers, "with --cluster: spec.controller of the IngressClasses to serve")
	f.StringVar(&c.class, "ingress-class", defaults.IngressClass, "with --cluster: class name of the kubernetes.io/ingress.class annotation")
	f.BoolVar(&c.without, "watch-ingress-without-class", false, "with --cluster: Ingresses that name no class are to be served")
}

func (c *clusterCheck) check() error { return checkName("--service-account", c.rights.Account) }

// findings asks the API server.
func (c *clusterCheck) findings(cmd *cobra.Command, output string) ([]ir.Problem, error) {
	kube.RedirectLogs(slog.New(slog.DiscardHandler))
	c.access.UserAgent = "daemun/" + version
	cluster, err := kube.Connect(c.access)
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	progress := progressOf(cmd, output)
	defer progress.End()
	progress.Step("asking " + cluster.Host + " about its IngressClasses, Ingresses and controllers")
	survey, err := cluster.Survey(cmd.Context(), c.rights.Watched, c.rights.Election)
	if err != nil {
		return check.Unreachable(cluster.Host, err), nil
	}
	list := check.Cluster{Survey: survey, Ours: c.ours, Class: c.class, WithoutClass: c.without}.Findings()
	c.rights.May = cluster.May
	c.rights.Namespace = c.namespace()
	progress.Step("asking which rights there are")
	missing, err := c.rights.Findings(cmd.Context())
	if err != nil {
		return nil, err
	}
	return append(list, missing...), nil
}

// namespace is that of the controller: of its account, or of this Pod; else the
// one that charts take.
func (c *clusterCheck) namespace() string {
	if namespace, _, ok := strings.Cut(c.rights.Account, "/"); ok {
		return namespace
	}
	if namespace := os.Getenv("POD_NAMESPACE"); namespace != "" {
		return namespace
	}
	return "ingress-nginx"
}
