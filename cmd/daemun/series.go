package main

import (
	"errors"

	"github.com/spf13/cobra"

	"daemun/internal/daemon"
)

// seriesFlags are ingress-nginx's flags about the series of requests.
type seriesFlags struct {
	perHost, undefined, classes bool
	exclude                     []string
}

func (f *seriesFlags) define(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.perHost, "metrics-per-host", true, "give the series of requests the label host; without it the hosts of an Ingress share theirs")
	flags.BoolVar(&f.undefined, "metrics-per-undefined-host", false, "count requests to hosts of no Ingress, too, all under the host \"_\"")
	flags.BoolVar(&f.classes, "report-status-classes", false, "count 2xx, 3xx, 4xx and 5xx instead of every status")
	flags.StringSliceVar(&f.exclude, "exclude-socket-metrics", nil, "names of metrics of requests that are not shown, with commas between them")
}

func (f *seriesFlags) finish(c *daemon.GatewayConfig) error {
	if f.undefined && !f.perHost {
		return errors.New("--metrics-per-undefined-host needs --metrics-per-host")
	}
	c.Series = daemon.SeriesConfig{WithoutHost: !f.perHost, UndefinedHost: f.undefined, StatusClasses: f.classes, Exclude: f.exclude}
	return nil
}
