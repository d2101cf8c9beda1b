package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"

	"daemun/internal/admin"
	"daemun/internal/daemon"
	"daemun/internal/translate"
)

// defaultAdmin is where `up` answers operators and where the other commands
// look for it.
const defaultAdmin = admin.DefaultAddress

func upCommand(kill <-chan struct{}) *cobra.Command {
	c := daemon.UpConfig{GatewayConfig: daemon.GatewayConfig{Version: version, Translate: upTranslate()}}
	var images, nodePorts []string
	var healthzPort, verbosity int
	var logs logFlags
	var profiler profilerFlags
	cmd := &cobra.Command{
		Use:   "up [flags] [PATH...]",
		Short: "Run manifests on this machine and serve their Ingresses and Services",
		Long: `Run the workloads of Kubernetes manifests as local processes and serve their
Ingresses and Services. PATH is a file, a folder (read recursively) or - for standard input;
without PATH it is the current folder. Changes to the files apply live.

The access log goes to standard output, everything else to standard error.`,
		Example: `  daemun up examples/hello
  daemun up --http-port 80 --image web=./bin/web k8s/
  kustomize build overlays/dev | daemun up -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.Paths = args
			if len(args) == 0 {
				c.Paths = []string{"."}
			}
			c.Stdin, c.Stdout, c.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			err := errors.Join(checkPort("--http-port", c.HTTPPort), checkPort("--https-port", c.HTTPSPort), checkPort("--dns-port", c.Network.DNSPort), checkPort("--healthz-port", healthzPort), profiler.finish(&c.GatewayConfig))
			if err = errors.Join(err, logs.finish(&c.GatewayConfig, verbosity)); err != nil {
				return usageError{err}
			}
			if c.Network.ClusterDomain, err = parseDomain("--cluster-domain", c.Network.ClusterDomain); err != nil {
				return usageError{err}
			}
			c.Network.DNSPortMoves = !cmd.Flags().Changed("dns-port")
			if c.Network.NodePortAddresses, err = parseNetworks("--nodeport-addresses", nodePorts); err != nil {
				return usageError{err}
			}
			if c.Images, err = parseImages(images); err != nil {
				return usageError{err}
			}
			if cmd.Flags().Changed("healthz-port") {
				host, _, err := net.SplitHostPort(c.AdminAddress)
				if err != nil {
					return usageError{fmt.Errorf("--admin-address: %w", err)}
				}
				c.AdminAddress = net.JoinHostPort(host, strconv.Itoa(healthzPort))
			}
			if err := checkNames(c.Translate, c.Published); err != nil {
				return usageError{err}
			}
			return daemon.Up(cmd.Context(), c, kill)
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.ListenAddress, "listen-address", "127.0.0.1", "address that serves Ingresses, names and node ports")
	f.IntVar(&c.HTTPPort, "http-port", 8080, "port for HTTP; 0 is any free port")
	f.IntVar(&c.HTTPSPort, "https-port", 8443, "port for HTTPS; 0 is any free port")
	f.StringVar(&c.AdminAddress, "admin-address", defaultAdmin, "address for health, metrics and the other commands")
	f.IntVar(&healthzPort, "healthz-port", 10254, "port of the admin address")
	f.StringVar(&c.StateDir, "state-dir", "", "folder for logs and volumes (default: daemun in the user's cache folder)")
	f.StringArrayVar(&images, "image", nil, "NAME=PATH: the program to run for containers of an image without command; repeatable")
	f.BoolVar(&c.NoNamespaces, "no-namespaces", false, "do not use mount namespaces: volumes are not mounted, their folders are in DAEMUN_VOLUME_*")
	f.StringVar(&c.ReadyFile, "ready-file", "", "file to write the bound addresses to (JSON) when ready")
	f.BoolVar(&c.Quiet, "quiet", false, "print problems only")
	f.DurationVar(&c.DrainTimeout, "drain-timeout", 10*time.Second, "time for requests in flight to finish on stop")
	f.IntVar(&c.Network.DNSPort, "dns-port", 5353, "port of the DNS server on the listen address, or any free port where that is taken; 0 is any free port")
	f.StringVar(&c.Network.ClusterDomain, "cluster-domain", "cluster.local", "domain of the names of Services")
	f.StringSliceVar(&nodePorts, "nodeport-addresses", nil, "addresses or networks of this machine where node ports answer, beside the nodes' own addresses (default: the listen address)")
	prefixVar(cmd, &c.Networks.Pods, "pod-network", "127.244.0.0/16", "addresses for Pods")
	prefixVar(cmd, &c.Networks.Services, "service-network", "127.96.0.0/16", "addresses for Services")
	prefixVar(cmd, &c.Networks.Nodes, "node-network", "127.18.0.0/16", "addresses for nodes")
	prefixVar(cmd, &c.Networks.LoadBalancers, "load-balancer-network", "127.200.0.0/16", "addresses for load balancers")
	f.IntVarP(&verbosity, "v", "v", 0, "above 0, log details")
	logs.define(cmd, &c.GatewayConfig)
	bufferFlags(cmd, &c.GatewayConfig)
	profiler.define(cmd)
	webhookFlags(cmd, &c.Webhook)
	publishedFlags(cmd, &c.Published)
	translateFlags(cmd, &c.Translate)
	geoFlags(cmd, &c.Geo)
	return cmd
}

// upTranslate are translation's options where there is no cluster: everything
// that has no class is meant for us.
func upTranslate() translate.Options {
	o := translateOptions()
	o.WithoutClass = true
	return o
}

// translateFlags are ingress-nginx's flags that shape translation.
func translateFlags(cmd *cobra.Command, o *translate.Options) {
	f := cmd.Flags()
	f.StringVar(&o.IngressClass, "ingress-class", o.IngressClass, "class name of the kubernetes.io/ingress.class annotation")
	f.StringSliceVar(&o.Controllers, "controller-class", o.Controllers, "spec.controller of the IngressClasses to serve")
	f.BoolVar(&o.IngressClassByName, "ingress-class-by-name", o.IngressClassByName, "also serve the IngressClass named as --ingress-class")
	f.BoolVar(&o.WithoutClass, "watch-ingress-without-class", o.WithoutClass, "serve Ingresses that name no class")
	f.StringVar(&o.AnnotationsPrefix, "annotations-prefix", o.AnnotationsPrefix, "prefix of the annotations")
	f.StringVar(&o.ConfigMap, "configmap", o.ConfigMap, "NAMESPACE/NAME of the ConfigMap with settings for all hosts")
	f.BoolVar(&o.DisableCatchAll, "disable-catch-all", o.DisableCatchAll, "leave out Ingresses with a default backend")
	f.BoolVar(&o.SSLPassthrough, "enable-ssl-passthrough", o.SSLPassthrough, "let Ingresses leave TLS to their backends (annotation ssl-passthrough)")
	f.BoolVar(&o.DisableExternalName, "disable-svc-external-name", o.DisableExternalName, "serve no Services with an external name")
	f.BoolVar(&o.StrictHosts, "strict-host-ownership", o.StrictHosts, "give a host to the namespace whose Ingress names it first; Ingresses of other namespaces add nothing to it")
	f.BoolVar(&o.IgnoreSnippets, "ignore-unsupported-snippets", o.IgnoreSnippets, "serve routes although a directive of a snippet cannot be used or is not allowed, without it")
	f.StringVar(&o.DefaultBackendService, "default-backend-service", o.DefaultBackendService, "NAMESPACE/NAME of the Service for requests that match nothing")
	f.StringVar(&o.DefaultCertificate, "default-ssl-certificate", o.DefaultCertificate, "NAMESPACE/NAME of the Secret for hosts without a certificate")
}

func checkPort(name string, port int) error {
	if port < 0 || port > 65535 {
		return fmt.Errorf("%s %d: want a port from 0 to 65535", name, port)
	}
	return nil
}

// parseDomain returns a domain in lower case and without a dot at its end.
func parseDomain(flag, text string) (string, error) {
	domain := strings.ToLower(strings.TrimSuffix(text, "."))
	for label := range strings.SplitSeq(domain, ".") {
		if len(validation.IsDNS1123Label(label)) > 0 {
			return "", fmt.Errorf("%s %q: want a DNS name such as cluster.local", flag, text)
		}
	}
	return domain, nil
}

func parseImages(pairs []string) (map[string]string, error) {
	images := map[string]string{}
	for _, pair := range pairs {
		name, path, ok := strings.Cut(pair, "=")
		if !ok || name == "" || path == "" {
			return nil, fmt.Errorf("--image %q: want NAME=PATH, for example web=./bin/web", pair)
		}
		images[name] = path
	}
	return images, nil
}

// parseNetworks reads a list of networks; an address is a network of one.
func parseNetworks(flag string, texts []string) (out []netip.Prefix, err error) {
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if addr, addrErr := netip.ParseAddr(text); addrErr == nil {
			p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s %q: want an address such as 127.0.0.1 or a network such as 192.168.1.0/24", flag, text)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// prefixValue is a flag that holds a network; a zero one was not chosen.
type prefixValue struct{ p *netip.Prefix }

// prefixVar defines a flag of a network. Its default is only shown: where it is
// taken by another Daemun, another one is found.
func prefixVar(cmd *cobra.Command, p *netip.Prefix, name, def, usage string) {
	cmd.Flags().Var(prefixValue{p}, name, usage+", or the next free network")
	cmd.Flags().Lookup(name).DefValue = def
}

func (v prefixValue) String() string {
	if !v.p.IsValid() {
		return ""
	}
	return v.p.String()
}
func (v prefixValue) Type() string { return "CIDR" }

func (v prefixValue) Set(s string) error {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return fmt.Errorf("want a network such as 127.244.0.0/16: %w", err)
	}
	*v.p = p.Masked()
	return nil
}
