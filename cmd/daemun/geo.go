package main

import (
	"github.com/spf13/cobra"

	"daemun/internal/geo"
)

// geoFlags say where databases about addresses are.
func geoFlags(cmd *cobra.Command, c *geo.Config) {
	f := cmd.Flags()
	f.StringVar(&c.Directory, "geoip-directory", "/etc/ingress-controller/geoip", "where MaxMind databases are (use-geoip2 of the ConfigMap)")
	f.StringSliceVar(&c.Editions, "maxmind-edition-ids", []string{"GeoLite2-City", "GeoLite2-ASN"}, "names of the databases that are read, without .mmdb")
}
