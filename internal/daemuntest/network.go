package daemuntest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// networkGuard is the port that is held on the last address of a block while
// the block is in use. Nothing else listens there: Pods get the first
// addresses.
const networkGuard = 47111

// Networks returns the flags that give an instance addresses of its own, so
// that several run on one machine without meeting, in this process or another.
// The block is given back with the test.
func Networks(t testing.TB) []string {
	t.Helper()
	for range 1000 {
		// 127.130.0.0 to 127.189.255.255 in blocks of 4096: away from what
		// Daemun uses by default.
		second, third := 130+rand.IntN(60), 16*rand.IntN(16)
		l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.254:%d", second, third+15, networkGuard))
		if err != nil {
			continue
		}
		t.Cleanup(func() { l.Close() })
		var flags []string
		for i, name := range []string{"pod", "service", "node", "load-balancer"} {
			flags = append(flags, "--"+name+"-network", fmt.Sprintf("127.%d.%d.0/22", second, third+4*i))
		}
		return flags
	}
	t.Fatal("no block of loopback addresses is free")
	return nil
}
