package main

import (
	"fmt"
	"strings"

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
		noGeoIP   = "databases are not downloaded; put the files into the directory of --geoip-directory, for example from a volume that geoipupdate fills"
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
		{"ssl-passthrough-proxy-port", 442, "connections are told apart on the https port itself", false},
		{"health-check-timeout", 10, "the health check asks nobody else", false},
		{"sync-period", "0", noReloads, false},
		{"sync-rate-limit", "0.3", noReloads, false},
		{"enable-annotation-validation", true, "annotations are always validated", false},

		{"enable-ssl-chain-completion", false, "certificates are served as they are in their Secrets, because following the addresses in them would let whoever writes a Secret choose whom Daemun calls and what it serves; append the intermediate ones to tls.crt", true},
		{"maxmind-license-key", "", noGeoIP, true},
		{"maxmind-mirror", "", noGeoIP, true},
		{"maxmind-retries-count", 1, noGeoIP, true},
		{"maxmind-retries-timeout", "0s", noGeoIP, true},
		{"bucket-factor", "0", "native histograms are not offered", true},
		{"max-buckets", 100, "native histograms are not offered", true},
	}
}

// klogFlags are those of klog, in both spellings of their names.
func klogFlags() []accepted {
	var list []accepted
	for _, f := range []accepted{
		{name: "add_dir_header", value: false},
		{name: "alsologtostderr", value: false},
		{name: "log_backtrace_at", value: ""},
		{name: "log_dir", value: ""},
		{name: "log_file", value: ""},
		{name: "log_file_max_size", value: "1800"},
		{name: "logtostderr", value: true},
		{name: "one_output", value: false},
		{name: "skip_headers", value: false},
		{name: "skip_log_headers", value: false},
		{name: "stderrthreshold", value: "2"},
		{name: "vmodule", value: ""},
	} {
		f.why = "Daemun logs to standard error, one line per event"
		list = append(list, f)
		if dashed := strings.ReplaceAll(f.name, "_", "-"); dashed != f.name {
			f.name = dashed
			list = append(list, f)
		}
	}
	return list
}

// defineAccepted defines the flags; those of klog are not shown in the help.
func defineAccepted(cmd *cobra.Command) {
	flags := cmd.Flags()
	for _, a := range acceptedFlags() {
		a.define(flags, "accepted, no effect: "+a.why)
	}
	for _, a := range klogFlags() {
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
	for _, a := range append(acceptedFlags(), klogFlags()...) {
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
