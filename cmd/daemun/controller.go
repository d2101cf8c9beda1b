package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"

	"daemun/internal/daemon"
	"daemun/internal/kube"
	"daemun/internal/translate"
)

func controllerCommand(kill <-chan struct{}) *cobra.Command {
	c := daemon.ControllerConfig{GatewayConfig: daemon.GatewayConfig{Version: version, Translate: translateOptions()}}
	var f controllerFlags
	cmd := &cobra.Command{
		Use:   "controller [flags]",
		Short: "Serve the Ingresses of a cluster",
		Long: `Serve the Ingresses of a Kubernetes cluster. In a Pod it uses the service
account; elsewhere --kubeconfig, or what kubectl would use.

Every flag of ingress-nginx is accepted; those that mean nothing here say why,
once. A program that is started as nginx-ingress-controller, or with flags and
no command, runs this command.`,
		Example: `  daemun controller --kubeconfig ~/.kube/config --http-port 8080 --https-port 8443
  daemun controller --ingress-class nginx --configmap ingress-nginx/ingress-nginx-controller --publish-service ingress-nginx/ingress-nginx-controller
  daemun controller --watch-namespace shop`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.version {
				fmt.Fprintln(cmd.OutOrStdout(), "daemun "+version)
				return nil
			}
			if err := f.finish(cmd, &c); err != nil {
				return usageError{err}
			}
			logger, _ := daemon.NewLogger(cmd.ErrOrStderr(), c.Log)
			kube.RedirectLogs(logger)
			return daemon.Controller(cmd.Context(), c, kill)
		},
	}
	f.define(cmd, &c)
	return cmd
}

// controllerFlags hold what does not go into the configuration as it is.
type controllerFlags struct {
	healthzHost string
	healthzPort int
	verbosity   int
	logs        logFlags
	series      seriesFlags
	version     bool

	noElection, noSyncEvents bool

	profiler profilerFlags
}

func (f *controllerFlags) define(cmd *cobra.Command, c *daemon.ControllerConfig) {
	translateFlags(cmd, &c.Translate)
	geoFlags(cmd, &c.Geo)
	flags := cmd.Flags()
	flags.StringVar(&c.Access.Kubeconfig, "kubeconfig", "", "file that says how to reach the API server")
	flags.StringVar(&c.Access.Context, "context", "", "context of the kubeconfig")
	flags.StringVar(&c.Access.Host, "apiserver-host", "", "URL of the API server")
	flags.StringVar(&c.Access.Authority, "certificate-authority", "", "file with the certificates that sign the API server's, with --apiserver-host")
	flags.StringVar(&c.Scope.Namespace, "watch-namespace", "", "the only namespace to read; all if empty")
	flags.StringVar(&c.Scope.Selector, "watch-namespace-selector", "", "labels of the namespaces to read")
	flags.BoolVar(&c.Zone.Hints, "enable-topology-aware-routing", false, "use the endpoints that the hints of EndpointSlices name for the zone of this Daemun's node, where they are complete")
	flags.StringVar(&c.ListenAddress, "listen-address", "", "address that serves Ingresses; all if empty")
	flags.IntVar(&c.HTTPPort, "http-port", 80, "port for HTTP; 0 is any free port")
	flags.IntVar(&c.HTTPSPort, "https-port", 443, "port for HTTPS; 0 is any free port")
	flags.StringVar(&c.AdminAddress, "admin-address", ":10254", "address for health and metrics, and, on this machine only, for the other commands")
	flags.IntVar(&f.healthzPort, "healthz-port", 10254, "port of the admin address")
	flags.StringVar(&f.healthzHost, "healthz-host", "", "host of the admin address")
	flags.StringVar(&c.HealthPath, "health-check-path", "/healthz", "path of the health check")
	flags.BoolVar(&c.Metrics, "enable-metrics", false, "answer at /metrics of the admin address")
	flags.StringVar(&c.HandOver, "hand-over", "", "Unix socket at which a new daemun takes the listeners over from the running one; nowhere if empty")
	flags.StringVar(&c.ReadyFile, "ready-file", "", "file to write the bound addresses to (JSON) when ready")
	secondsVar(cmd, &c.ShutdownGrace, "shutdown-grace-period", 0, "seconds between the end of readiness and the end of accepting")
	secondsVar(cmd, &c.PostShutdownGrace, "post-shutdown-grace-period", 10, "seconds between the end of traffic and the end of the program")
	flags.DurationVar(&c.DrainTimeout, "drain-timeout", 0, "time for requests in flight to finish on stop; 0 is worker-shutdown-timeout of the ConfigMap (240s)")
	flags.BoolVar(&c.Status.Update, "update-status", true, "write addresses into the status of Ingresses")
	flags.BoolVar(&c.Status.Clear, "update-status-on-shutdown", true, "remove them when the last replica ends")
	flags.StringSliceVar(&c.Status.Addresses, "publish-status-address", nil, "addresses to write, with commas between them")
	flags.StringVar(&c.Status.Service, "publish-service", "", "NAMESPACE/NAME of the Service whose addresses to write")
	flags.BoolVar(&c.Status.Internal, "report-node-internal-ip-address", false, "write the internal addresses of nodes")
	secondsVar(cmd, &c.Status.Interval, "status-update-interval", 60, "seconds between two checks of all status")
	flags.StringVar(&c.Election.ID, "election-id", "ingress-controller-leader", "name of the Lease that decides who writes status")
	flags.DurationVar(&c.Election.TTL, "election-ttl", 30*time.Second, "time after which a silent leader is replaced")
	flags.BoolVar(&f.noElection, "disable-leader-election", false, "write status without an election; for one replica")
	flags.BoolVar(&f.noSyncEvents, "disable-sync-events", false, "write no Event when an Ingress is taken over")
	bufferFlags(cmd, &c.GatewayConfig)
	webhookFlags(cmd, &c.Webhook)
	flags.StringVar(&c.Webhook.Secret, "validating-webhook-secret", "daemun-admission-tls", "NAME or NAMESPACE/NAME of the Secret with the webhook's certificate, which Daemun makes where no files are named")
	flags.StringVar(&c.Webhook.Configuration, "validating-webhook-configuration", "", "name of the ValidatingWebhookConfiguration that is to trust the certificate in the Secret; none if empty")
	publishedFlags(cmd, &c.Published)
	f.series.define(cmd)
	flags.Float64SliceVar(&c.TimeBuckets, "time-buckets", nil, "upper bounds of the histograms of times, in seconds")
	flags.Float64SliceVar(&c.LengthBuckets, "length-buckets", nil, "upper bounds of the histograms of lengths, in bytes")
	flags.Float64SliceVar(&c.SizeBuckets, "size-buckets", nil, "upper bounds of the histogram of bytes sent")
	f.profiler.define(cmd)
	flags.IntVarP(&f.verbosity, "v", "v", 0, "above 0, log details")
	f.logs.define(cmd, &c.GatewayConfig)
	defineAccepted(cmd)
	flags.BoolVar(&f.version, "version", false, "print the version and exit")
}

// webhookFlags are those of the validating webhook.
func webhookFlags(cmd *cobra.Command, c *daemon.WebhookConfig) {
	flags := cmd.Flags()
	flags.StringVar(&c.Address, "validating-webhook", "", "address at which the API server asks about Ingresses, such as :8443; nowhere if empty")
	flags.StringVar(&c.Certificate, "validating-webhook-certificate", "", "file with the certificate of the webhook")
	flags.StringVar(&c.Key, "validating-webhook-key", "", "file with its key")
	flags.StringVar(&c.ClientAuthority, "validating-webhook-client-ca", "", "file with the authority of the API server's own certificate, which must then be shown")
}

// publishedFlags are those of TCP and UDP ports that lead to Services.
func publishedFlags(cmd *cobra.Command, c *daemon.PublishedConfig) {
	flags := cmd.Flags()
	flags.StringVar(&c.TCP, "tcp-services-configmap", "", "NAMESPACE/NAME of the ConfigMap of TCP ports: PORT: NAMESPACE/SERVICE:PORT")
	flags.StringVar(&c.UDP, "udp-services-configmap", "", "NAMESPACE/NAME of the ConfigMap of UDP ports")
}

// checkName refuses what is neither empty nor NAMESPACE/NAME.
func checkName(flag, value string) error {
	namespace, name, ok := strings.Cut(value, "/")
	if value != "" && (!ok || len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Subdomain(name)) > 0) {
		return fmt.Errorf("%s %q: want NAMESPACE/NAME", flag, value)
	}
	return nil
}

// checkNames checks what flags name.
func checkNames(o translate.Options, p daemon.PublishedConfig) error {
	return errors.Join(checkName("--tcp-services-configmap", p.TCP), checkName("--udp-services-configmap", p.UDP), checkName("--configmap", o.ConfigMap),
		checkName("--default-backend-service", o.DefaultBackendService), checkName("--default-ssl-certificate", o.DefaultCertificate))
}

// finish checks the flags and completes the configuration.
func (f *controllerFlags) finish(cmd *cobra.Command, c *daemon.ControllerConfig) error {
	c.Stdout, c.Stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
	c.Access.UserAgent = "daemun/" + version
	c.Self, c.Zone.Node = daemon.PodFromEnv(), os.Getenv("NODE_NAME")
	c.Election.Enabled, c.SyncEvents = !f.noElection, !f.noSyncEvents
	for _, check := range []func(*daemon.ControllerConfig) error{f.checkStatus, checkAddresses, checkScope, checkWebhook} {
		if err := check(c); err != nil {
			return err
		}
	}
	if err := errors.Join(checkNames(c.Translate, c.Published), checkName("--publish-service", c.Status.Service)); err != nil {
		return err
	}
	if !strings.HasPrefix(c.HealthPath, "/") || strings.ContainsAny(c.HealthPath, "{} ") {
		return fmt.Errorf("--health-check-path %q: want a path such as /healthz", c.HealthPath)
	}
	host, port, err := net.SplitHostPort(c.AdminAddress)
	if err != nil {
		return fmt.Errorf("--admin-address: %w", err)
	}
	if cmd.Flags().Changed("healthz-host") {
		host = f.healthzHost
	}
	if cmd.Flags().Changed("healthz-port") {
		port = strconv.Itoa(f.healthzPort)
	}
	c.AdminAddress = net.JoinHostPort(host, port)
	for _, b := range []struct {
		name   string
		bounds []float64
	}{{"--time-buckets", c.TimeBuckets}, {"--length-buckets", c.LengthBuckets}, {"--size-buckets", c.SizeBuckets}} {
		if !slices.IsSorted(b.bounds) || len(slices.Compact(slices.Clone(b.bounds))) < len(b.bounds) {
			return fmt.Errorf("%s %v: want rising bounds", b.name, b.bounds)
		}
	}
	if err := f.series.finish(&c.GatewayConfig); err != nil {
		return err
	}
	if err := f.logs.finish(&c.GatewayConfig, f.verbosity); err != nil {
		return err
	}
	c.Notices, c.Warnings = notices(cmd)
	return errors.Join(f.profiler.finish(&c.GatewayConfig), checkPort("--http-port", c.HTTPPort), checkPort("--https-port", c.HTTPSPort), checkPort("--healthz-port", f.healthzPort))
}

func (f *controllerFlags) checkStatus(c *daemon.ControllerConfig) error {
	const least = 5 * time.Second // that of ingress-nginx
	c.Status.Interval = max(c.Status.Interval, least)
	switch {
	case c.Status.Service != "" && len(c.Status.Addresses) > 0:
		return errors.New("--publish-service and --publish-status-address exclude each other")
	case c.Election.TTL < time.Second:
		return fmt.Errorf("--election-ttl %v: want at least 1s", c.Election.TTL)
	case c.Election.ID == "":
		return errors.New("--election-id: want the name of a Lease")
	}
	return nil
}

// checkAddresses: the API server would refuse anything else in every status.
func checkAddresses(c *daemon.ControllerConfig) error {
	var list []string
	for _, a := range c.Status.Addresses {
		if a = strings.TrimSpace(a); a == "" {
			continue
		}
		if _, err := netip.ParseAddr(a); err != nil && len(validation.IsDNS1123Subdomain(a)) > 0 {
			return fmt.Errorf("--publish-status-address %q: want IP addresses such as 192.0.2.1 or host names such as lb.example.com, with commas between them", a)
		}
		list = append(list, a)
	}
	c.Status.Addresses = list
	return nil
}

// checkScope checks what says which objects are read and whose they are.
func checkScope(c *daemon.ControllerConfig) error {
	switch namespace, selector := c.Scope.Namespace, c.Scope.Selector; {
	case namespace != "" && selector != "":
		return errors.New("--watch-namespace and --watch-namespace-selector exclude each other")
	case namespace != "" && len(validation.IsDNS1123Label(namespace)) > 0:
		return fmt.Errorf("--watch-namespace %q: want the name of one namespace", namespace)
	case len(c.Translate.Controllers) == 0:
		return errors.New("--controller-class: want spec.controller of an IngressClass, such as k8s.io/ingress-nginx")
	case c.Translate.AnnotationsPrefix == "":
		return errors.New("--annotations-prefix: want a prefix, such as nginx.ingress.kubernetes.io")
	}
	if _, err := labels.Parse(c.Scope.Selector); err != nil {
		return fmt.Errorf("--watch-namespace-selector %q: want labels such as team=shop: %w", c.Scope.Selector, err)
	}
	return nil
}

// checkWebhook checks where the webhook's certificate comes from.
func checkWebhook(c *daemon.ControllerConfig) error {
	w := c.Webhook
	switch namespace, name, both := strings.Cut(w.Secret, "/"); {
	case w.Address == "":
		return nil
	case (w.Certificate == "") != (w.Key == ""):
		return errors.New("--validating-webhook-certificate and --validating-webhook-key belong together: name both files, or none, and Daemun makes a certificate")
	case w.Certificate != "" && w.Configuration != "":
		return errors.New("--validating-webhook-configuration is for the certificate that Daemun makes; with files, whoever makes them sets caBundle")
	case w.Certificate == "" && (w.Secret == "" || both && (namespace == "" || name == "") || strings.Count(w.Secret, "/") > 1):
		return fmt.Errorf("--validating-webhook-secret %q: want NAME or NAMESPACE/NAME", w.Secret)
	}
	return nil
}

// secondsValue is a flag in seconds, as ingress-nginx has them; a duration
// with a unit is accepted too.
type secondsValue struct{ d *time.Duration }

func secondsVar(cmd *cobra.Command, d *time.Duration, name string, def int, usage string) {
	*d = time.Duration(def) * time.Second
	cmd.Flags().Var(secondsValue{d}, name, usage)
}

func (v secondsValue) String() string {
	if v.d == nil {
		return ""
	}
	return strconv.Itoa(int(*v.d / time.Second))
}
func (v secondsValue) Type() string { return "int" }

func (v secondsValue) Set(s string) error {
	d, err := time.ParseDuration(s)
	if n, number := strconv.Atoi(s); number == nil {
		d, err = time.Duration(n)*time.Second, nil
	}
	if err != nil || d < 0 || d > 365*24*time.Hour {
		return errors.New("want a number of seconds")
	}
	*v.d = d
	return nil
}
