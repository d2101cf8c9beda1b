package proxy

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"daemun/internal/accesslog"
	"daemun/internal/ir"
)

// TestTunnelsAreLoggedInFull: what a tunnel does not keep while it lives is in
// its line all the same, also what a trusted peer says of the client.
func TestTunnelsAreLoggedInFull(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string]func(*ir.Settings){
		"plain":   func(*ir.Settings) {},
		"trusted": func(s *ir.Settings) { s.Forwarded.Believe, s.Forwarded.BelieveAddress = true, true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			log := accesslog.New(accesslog.Config{Writer: &out})
			log.Use(accesslog.Settings{Format: "$remote_addr $host $request_uri $http_user_agent $http_x_own $status $request_length"})
			cfg := oneRoute(nil)
			settings(&cfg.Settings)
			r := newRigWith(t, cfg, Config{Log: log}, nil)
			r.endpoints(newScript(t, func(_ int, c *client) {
				c.head()
				c.send(upgradeAnswer)
				c.expect("question")
				c.send("answer")
			}).addr())
			for i := range 5 { // so that buffers serve again
				c := r.dial()
				request := strings.Replace(upgradeRequest, "\r\n\r\n", fmt.Sprintf("\r\nUser-Agent: agent/%d\r\nX-Own: own-%d\r\nX-Forwarded-For: 192.0.2.%d\r\n\r\n", i, i, i), 1)
				c.send(strings.Replace(request, "/ws", fmt.Sprintf("/ws/%d?q", i), 1))
				c.head()
				c.send("question")
				c.expect("answer")
				c.rest()
				eventually(t, "the tunnel ends", func() bool { return r.server.Stats().Tunnels == 0 })
			}
			for i, line := range loggedLines(t, r, log, &out) {
				who := "127.0.0.1"
				if name == "trusted" {
					who = fmt.Sprintf("192.0.2.%d", i)
				}
				want := fmt.Sprintf("%s a.test /ws/%d?q agent/%d own-%d 101 ", who, i, i, i)
				if !strings.HasPrefix(line, want) {
					t.Errorf("line %q, want %q", line, want)
				}
			}
		})
	}
}
