package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// accepted is a flag of ingress-nginx that is taken and does nothing here.
type accepted struct {
	name string
	// value is the default; its type is that of the flag.
	value any
	// why is the end of the sentence "--name has no effect: …".
	why string
	// missing: what the flag asks for is not there, which its user must know.
	missing bool
}

// acceptedFlags keep the arguments of an ingress-nginx Deployment working.
func acceptedFlags() []accepted {
	const (
		noNginx   = "there is no nginx behind Daemun that it could concern"
		noReloads = "there are no reloads; every change is live at once"
		noGeoIP   = "addresses are not looked up in MaxMind databases yet"
		noSeries  = "the series are always those of ingress-nginx's defaults"
	)
	return []accepted{
		{"deep-inspect", true, "hosts, paths and names are always checked, and never become text of a configuration", false},
		{"default-server-port", 8181, "requests that match nothing are answered on the ports for traffic", false},
		{"disable-full-test", false, "an Ingress is checked on its own against the configuration in service, never by building all of it", false},
		{"dynamic-configuration-retries", 15, noNginx, false},
		{"internal-logger-address", "127.0.0.1:11514", noNginx, false},
		{"monitor-max-batch-size", 10000, noNginx, false},
		{"status-port", 10246, noNginx, false},
		{"stream-port", 10247, noNginx, false},
		{"ssl-passthrough-proxy-port", 442, noNginx, false},
		{"health-check-timeout", 10, "the health check asks nobody else", false},
		{"sync-period", "0", noReloads, false},
		{"sync-rate-limit", "0.3", noReloads, false},
		{"enable-annotation-validation", true, "annotations are always validated", false},

		{"enable-ssl-chain-completion", false, "certificates are served as they are in their Secrets; put the intermediate ones there", true},
		{"enable-ssl-passthrough", false, "TLS is always ended here", true},
		{"enable-topology-aware-routing", false, "endpoints of all zones are used", true},
		{"maxmind-edition-ids", "GeoLite2-City,GeoLite2-ASN", noGeoIP, true},
		{"maxmind-license-key", "", noGeoIP, true},
		{"maxmind-mirror", "", noGeoIP, true},
		{"maxmind-retries-count", 1, noGeoIP, true},
		{"maxmind-retries-timeout", "0s", noGeoIP, true},
		{"bucket-factor", "0", "native histograms are not offered", true},
		{"max-buckets", 100, "native histograms are not offered", true},
		{"exclude-socket-metrics", "", noSeries, true},
		{"metrics-per-host", true, noSeries, true},
		{"metrics-per-undefined-host", false, noSeries, true},
		{"report-status-classes", false, noSeries, true},
	}
}

// logFlags are those of klog.
func logFlags() []accepted {
	const why = "Daemun logs to standard error, one line per event"
	return []accepted{
		{"add-dir-header", false, why, false},
		{"add_dir_header", false, why, false},
		{"alsologtostderr", false, why, false},
		{"logtostderr", true, why, false},
		{"one-output", false, why, false},
		{"one_output", false, why, false},
		{"log-backtrace-at", "", why, false},
		{"log_backtrace_at", "", why, false},
		{"log-dir", "", why, false},
		{"log_dir", "", why, false},
		{"log-file", "", why, false},
		{"log_file", "", why, false},
		{"log-file-max-size", "1800", why, false},
		{"log_file_max_size", "1800", why, false},
		{"skip-headers", false, why, false},
		{"skip_headers", false, why, false},
		{"skip-log-headers", false, why, false},
		{"skip_log_headers", false, why, false},
		{"stderrthreshold", "2", why, false},
		{"vmodule", "", why, false},
	}
}

// defineAccepted defines the flags; those of klog are not shown in the help.
func defineAccepted(cmd *cobra.Command) {
	flags := cmd.Flags()
	for _, a := range acceptedFlags() {
		a.define(flags, "accepted, no effect: "+a.why)
	}
	for _, a := range logFlags() {
		a.define(flags, "accepted, no effect")
		flags.Lookup(a.name).Hidden = true
	}
}

func (a accepted) define(flags *pflag.FlagSet, usage string) {
	switch v := a.value.(type) {
	case bool:
		flags.Bool(a.name, v, usage)
	case int:
		flags.Int(a.name, v, usage)
	case string:
		flags.String(a.name, v, usage)
	}
}

// notices says once what the given flags do not do.
func notices(cmd *cobra.Command) (plain, missing []string) {
	for _, a := range append(acceptedFlags(), logFlags()...) {
		f := cmd.Flags().Lookup(a.name)
		if !f.Changed || f.Value.String() == f.DefValue {
			continue
		}
		text := fmt.Sprintf("--%s=%s has no effect: %s", a.name, f.Value, a.why)
		if a.missing {
			missing = append(missing, text)
		} else {
			plain = append(plain, text)
		}
	}
	return plain, missing
}
