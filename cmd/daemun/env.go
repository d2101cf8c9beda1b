package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagsFromEnv gives every flag that is not on the command line the value of
// its environment variable: --admin-address is DAEMUN_ADMIN_ADDRESS.
func flagsFromEnv(cmd *cobra.Command) error {
	var first error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		name := "DAEMUN_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := os.LookupEnv(name)
		if !ok || f.Changed || first != nil || strings.Contains(value, "://") && f.Value.Type() == "int" {
			// A Service that is called daemun-http gives the Pods of its
			// namespace DAEMUN_HTTP_PORT=tcp://10.96.0.7:80.
			return
		}
		if err := cmd.Flags().Set(f.Name, value); err != nil {
			first = usageError{fmt.Errorf("%s: %w", name, flagError(cmd, err))}
		}
	})
	return first
}
