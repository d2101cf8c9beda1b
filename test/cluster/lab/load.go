package lab

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// clientTo is an HTTP client that dials where a function says, whatever host a
// URL names. Redirects are answers, and certificates are not checked.
func clientTo(where func(port string) string) *http.Client {
	dialer := net.Dialer{Timeout: 10 * time.Second}
	return &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				_, port, err := net.SplitHostPort(address)
				if err != nil {
					return nil, err
				}
				return dialer.DialContext(ctx, network, where(port))
			},
			TLSClientConfig:     &tls.Config{InsecureSkipVerify: true},
			MaxIdleConnsPerHost: 64,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Get asks for a URL at a host:port address, over a new connection, and returns
// status and body.
func Get(ctx context.Context, url, address string) (int, string, error) {
	client := clientTo(func(string) string { return address })
	defer client.CloseIdleConnections()
	return Ask(ctx, client, url)
}

// Load is a number of clients that ask for a URL over and over; half of them
// keep their connections, half make a new one for each request.
type Load struct {
	requests atomic.Int64

	mu       sync.Mutex
	failures []string // the first few

	cancel context.CancelFunc
	wait   sync.WaitGroup
}

const (
	// keptFailures bounds what a Load remembers.
	keptFailures = 20
	// pace is the time between two requests of a client. It leaves the machine
	// to what is tested.
	pace = 5 * time.Millisecond
)

// StartLoad starts clients that send requests for a URL to host:port addresses
// in turn. Whatever is not 200 is a failure.
func StartLoad(t testing.TB, clients int, url string, addresses ...string) *Load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &Load{cancel: cancel}
	var turn atomic.Int64
	where := func(string) string { return addresses[int(turn.Add(1))%len(addresses)] }
	for i := range clients {
		client := clientTo(where)
		if i%2 == 0 {
			client.Transport.(*http.Transport).DisableKeepAlives = true
		}
		l.wait.Go(func() { l.run(ctx, client, url) })
	}
	t.Cleanup(func() { l.Stop() })
	return l
}

func (l *Load) run(ctx context.Context, client *http.Client, url string) {
	defer client.CloseIdleConnections()
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		status, body, err := Ask(ctx, client, url)
		if ctx.Err() != nil {
			return
		}
		l.requests.Add(1)
		if err != nil || status != http.StatusOK {
			l.fail(fmt.Sprintf("%s: %d %.80q %v", time.Now().Format("15:04:05.000"), status, body, err))
		}
	}
}

func (l *Load) fail(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.failures) < keptFailures {
		l.failures = append(l.failures, what)
	}
}

// Requests is how many have been answered so far.
func (l *Load) Requests() int64 { return l.requests.Load() }

// Stop ends the clients and returns how many requests there were and what
// failed.
func (l *Load) Stop() (int64, []string) {
	l.cancel()
	l.wait.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.requests.Load(), l.failures
}
