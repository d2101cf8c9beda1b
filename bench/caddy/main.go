// Command caddy is Caddy as it is released, one of the peers of the comparison,
// in a module of its own so that nothing of it reaches Daemun's.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func main() { caddycmd.Main() }
