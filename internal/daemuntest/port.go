package daemuntest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// Ports that the kernel gives to nobody by itself: it takes those of clients,
// and of who asks for any, from 32768 on. Node ports begin at 30000.
const (
	leastPort = 10000
	mostPort  = 29999
)

// FreePort returns a port of loopback that nobody has, for who has to know it
// before it is opened. Of one that was any free port a client of another program
// may get hold meanwhile, and does so on a busy machine.
func FreePort(t testing.TB) string {
	t.Helper()
	for range 1000 {
		port := strconv.Itoa(leastPort + rand.IntN(mostPort-leastPort+1))
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatal("no port of loopback is free")
	return ""
}
