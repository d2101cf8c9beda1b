package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"daemun/internal/daemon"
	"daemun/internal/translate"
)

// nginxFlags are all flags of ingress-nginx with a value that is not their
// default. Those of klog are among them.
const nginxFlags = `
--annotations-prefix=example.com --apiserver-host=http://127.0.0.1:1 --certificate-authority=/ca --kubeconfig=/nowhere
--bucket-factor=1.1 --max-buckets=50 --time-buckets=0.1,1 --length-buckets=10,20 --size-buckets=10,100
--configmap=a/b --controller-class=example.com/c --ingress-class=c --ingress-class-by-name=true --watch-ingress-without-class=true
--watch-namespace=shop --watch-namespace-selector=a=b --deep-inspect=false --default-backend-service=a/b --default-server-port=8182
--default-ssl-certificate=a/b --disable-catch-all=true --disable-full-test=true --disable-leader-election=true
--disable-svc-external-name=true --disable-sync-events=true --dynamic-configuration-retries=16 --election-id=e --election-ttl=31s
--enable-annotation-validation=false --enable-metrics=true --exclude-socket-metrics=requests --enable-ssl-chain-completion=true
--enable-ssl-passthrough=true --enable-topology-aware-routing=true --health-check-path=/h --health-check-timeout=11
--healthz-port=10255 --healthz-host=127.0.0.1 --http-port=81 --https-port=444 --internal-logger-address=127.0.0.1:1
--maxmind-edition-ids=a --maxmind-license-key=a --maxmind-mirror=a --maxmind-retries-count=2 --maxmind-retries-timeout=1s
--metrics-per-host=false --metrics-per-undefined-host=true --monitor-max-batch-size=1 --post-shutdown-grace-period=11
--shutdown-grace-period=1 --profiling=true --profiler-address=127.0.0.2 --profiler-port=10246 --publish-service=a/b
--publish-status-address=192.0.2.1,lb.example.com --report-node-internal-ip-address=true --report-status-classes=true
--ssl-passthrough-proxy-port=443 --status-port=1 --stream-port=2 --status-update-interval=61 --sync-period=1h --sync-rate-limit=0.4
--tcp-services-configmap=a/b --udp-services-configmap=a/b --update-status=false --update-status-on-shutdown=false
--validating-webhook=:8443 --validating-webhook-certificate=/c --validating-webhook-key=/k --version=true
--v=2 --alsologtostderr=true --logtostderr=false --log_dir=/ --log_file=/ --log_file_max_size=1 --log_backtrace_at=a:1 --one_output=true
--add_dir_header=true --skip_headers=true --skip_log_headers=true --stderrthreshold=1 --vmodule=a=1`

// TestEveryFlagOfIngressNginxParses, so that the arguments of an existing
// Deployment go on working.
func TestEveryFlagOfIngressNginxParses(t *testing.T) {
	t.Parallel()
	cmd := controllerCommand(nil)
	for _, arg := range strings.Fields(nginxFlags) {
		if err := cmd.Flags().Parse([]string{arg}); err != nil {
			t.Errorf("%s: %v", arg, err)
		}
	}
	if f := cmd.Flags().Lookup("v"); f.Shorthand != "v" {
		t.Error("-v=2 is klog's usual spelling")
	}
	plain, missing := notices(cmd)
	if n := len(acceptedFlags()) + 12; len(plain)+len(missing) != n { // 12 of klog are given
		t.Errorf("%d notices, want %d:\n%s", len(plain)+len(missing), n, strings.Join(append(plain, missing...), "\n"))
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ argv, want string }{
		{"daemun up .", "up ."},
		{"/usr/bin/daemun", ""},
		{"/nginx-ingress-controller --configmap=a/b", "controller --configmap=a/b"},
		{"/nginx-ingress-controller", "controller"},
		{"/wait-shutdown", "wait-shutdown"},
		{"daemun --configmap=a/b", "controller --configmap=a/b"},
		{"daemun --help", "--help"},
		{"daemun -h", "-h"},
	} {
		if got := strings.Join(arguments(strings.Fields(tt.argv)), " "); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.argv, got, tt.want)
		}
	}
}

func TestControllerRefusesWrongFlags(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ line, says string }{
		{"--watch-namespace a --watch-namespace-selector b=c", "exclude each other"},
		{"--publish-service web", `--publish-service "web": want NAMESPACE/NAME`},
		{"--tcp-services-configmap tcp", `--tcp-services-configmap "tcp": want NAMESPACE/NAME`},
		{"--configmap a/b/c", `--configmap "a/b/c": want NAMESPACE/NAME`},
		{"--default-ssl-certificate /b", `--default-ssl-certificate "/b": want NAMESPACE/NAME`},
		{"--validating-webhook :1 --validating-webhook-key k", "belong together"},
		{"--validating-webhook :1 --validating-webhook-secret a/", `--validating-webhook-secret "a/": want NAME or NAMESPACE/NAME`},
		{"--validating-webhook :1 --validating-webhook-certificate c --validating-webhook-key k --validating-webhook-configuration x", "is for the certificate that Daemun makes"},
		{"--publish-service a/b --publish-status-address 192.0.2.1", "exclude each other"},
		{"--health-check-path healthz", "want a path such as /healthz"},
		{"--election-ttl 10ms", "want at least 1s"},
		{"--time-buckets 2,1", "want rising bounds"},
		{"--shutdown-grace-period -1", "want a number of seconds"},
		{"--controller-class=", "want spec.controller of an IngressClass"},
		{"--annotations-prefix=", "want a prefix"},
		{"--publish-status-address http://x", `--publish-status-address "http://x": want IP addresses`},
		{"--watch-namespace a/b", `--watch-namespace "a/b": want the name of one namespace`},
		{"--watch-namespace-selector a==b,,=", "want labels such as team=shop"},
		{"--http-port 70000", "want a port from 0 to 65535"},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			if code := run(append([]string{"controller"}, strings.Fields(tt.line)...), strings.NewReader(""), &stdout, &stderr); code != exitUsage || !strings.Contains(stderr.String(), tt.says) {
				t.Errorf("exit code %d, standard error:\n%s\nwant %d and %q", code, &stderr, exitUsage, tt.says)
			}
		})
	}
}

func TestControllerFlagsReachTheConfiguration(t *testing.T) {
	t.Parallel()
	c := daemon.ControllerConfig{GatewayConfig: daemon.GatewayConfig{Translate: translate.DefaultOptions()}}
	cmd := controllerCommand(nil)
	cmd.ResetFlags()
	var f controllerFlags
	f.define(cmd, &c)
	line := "--enable-topology-aware-routing --healthz-port 1 --healthz-host 127.0.0.1 --shutdown-grace-period 3 --post-shutdown-grace-period=2m --profiling --disable-leader-election --status-update-interval 1 --publish-status-address=192.0.2.1,,lb.example.com"
	if err := cmd.Flags().Parse(strings.Fields(line)); err != nil {
		t.Fatal(err)
	}
	if err := f.finish(cmd, &c); err != nil {
		t.Fatal(err)
	}
	got := []any{c.AdminAddress, c.ShutdownGrace.String(), c.PostShutdownGrace.String(), c.ProfilerAddress, c.Election.Enabled, c.Status.Interval.String(), c.Status.Addresses, c.Zone.Hints}
	want := []any{"127.0.0.1:1", "3s", "2m0s", "127.0.0.1:10245", false, "5s", []string{"192.0.2.1", "lb.example.com"}, true}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
