package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"daemun/internal/daemuntest"
)

// The load of the churn test. A connection carries a thousand requests, as in
// ingress-nginx; the slow ones stay below that and so must live to the end.
const (
	fastConns, slowConns = 48, 16 // over HTTP
	secureConns          = 12     // over HTTPS
	heldConns            = 4      // WebSockets, and as many long answers
	fastPause            = 10 * time.Millisecond
	slowPause            = 100 * time.Millisecond
	requestsPerConn      = 1000
)

// churnTime is how long the churn lasts.
func churnTime(t *testing.T) time.Duration {
	text := os.Getenv("DAEMUN_CHURN")
	if text == "" {
		return 6 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("DAEMUN_CHURN: %v", err)
	}
	return d
}

// TestChurn changes everything that can be changed while clients ask: no
// request fails and no connection is closed. It runs alone.
func TestChurn(t *testing.T) {
	c := newChurn(t)
	d := up(t, map[string]string{
		"web.yaml": c.app("0", false).String(), "main.yaml": c.ingress(0), "secret.yaml": c.secrets[0],
		"steady.yaml": echoApp{name: "steady", replicas: 1}.String() + "---\n" + oneIngress("steady", "steady.test", "steady"),
		"secure.yaml": ingress{name: "secure", host: "secure.test", tls: "secure", rules: []rule{{"/", "web"}}}.String(),
	})
	expect(t, d, "http://web.test/stable", "200 web")
	expect(t, d, "https://secure.test/stable", "200 web")
	expect(t, d, "http://steady.test/", "200 steady")

	ctx, stop := context.WithCancel(t.Context())
	l := &load{d: d, pods: map[string]int{}}
	var clients sync.WaitGroup
	for i := range fastConns + slowConns + secureConns {
		k := client{load: l, host: "web.test", pause: fastPause}
		switch {
		case i >= fastConns+slowConns:
			k.host, k.secure, k.pause = "secure.test", true, slowPause
		case i >= fastConns:
			k.pause = slowPause
		}
		k.dial()
		clients.Go(func() { k.run(ctx) })
	}
	for range heldConns {
		w := dialWebSocket(t, d, "steady.test", false, "")
		clients.Go(func() { holdWebSocket(ctx, w, l) })
		clients.Go(func() { holdResponse(d, l, min(c.time, 50*time.Second)) })
	}
	c.run(d)
	stop()
	clients.Wait()
	c.after(d, l)
}

// churn is what is changed.
type churn struct {
	t       *testing.T
	time    time.Duration
	secrets [2]string
}

func newChurn(t *testing.T) *churn {
	c := &churn{t: t, time: churnTime(t)}
	for i := range c.secrets {
		c.secrets[i] = daemuntest.TLSSecret(t, "secure", "secure.test", fmt.Sprint("certificate ", i))
	}
	return c
}

// app is the Deployment behind all hosts; another version replaces its Pods.
func (c *churn) app(version string, secondPort bool) echoApp {
	a := echoApp{name: "web", replicas: 3, env: map[string]string{"VERSION": version}, container: probe("readinessProbe", "/health")}
	if secondPort {
		a.service = "  - name: more\n    port: 8081\n    targetPort: http\n"
	}
	return a
}

func (c *churn) ingress(n int) string {
	return ingress{name: "main", host: "web.test", rules: []rule{{"/", "web"}, {fmt.Sprint("/edited-", n), "web"}}}.String()
}

// run makes changes ten times a second until the time is over.
func (c *churn) run(d *daemuntest.Instance) {
	ticks := int(c.time / (100 * time.Millisecond))
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	version, secondPort := "0", false
	for n := 1; n <= ticks; n++ {
		<-tick.C
		d.Write("main.yaml", c.ingress(n))
		switch n {
		case ticks / 12, ticks / 2:
			version = fmt.Sprint(n)
			d.Write("web.yaml", c.app(version, secondPort).String())
		case ticks / 3:
			secondPort = true
			d.Write("web.yaml", c.app(version, secondPort).String())
		}
		switch {
		case n%5 == 0:
			d.Write("secret.yaml", c.secrets[n/5%2])
		case n%7 == 0:
			d.Write("broken.yaml", "kind: Ingress\nmetadata: {name: [}\n")
		case n%7 == 3:
			d.Write("broken.yaml", "")
		case n%3 == 0:
			d.Write("guest.yaml", oneIngress("guest", fmt.Sprint("guest-", n%2, ".test"), "web"))
		case n%3 == 2:
			d.Write("guest.yaml", "")
		}
	}
	d.Write("secret.yaml", c.secrets[1])
}

// after looks at what is left of the load.
func (c *churn) after(d *daemuntest.Instance, l *load) {
	t := c.t
	t.Logf("%d requests in %v (%.0f/s) to %d Pods on %d connections, %d of them opened anew after %d requests", l.requests.Load(), c.time,
		float64(l.requests.Load())/c.time.Seconds(), len(l.pods), fastConns+slowConns+secureConns, l.reopened.Load(), requestsPerConn)
	if l.requests.Load() == 0 {
		t.Error("no request was made")
	}
	for _, f := range l.failures {
		t.Error(f)
	}
	if l.failed > len(l.failures) {
		t.Errorf("… and %d more", l.failed-len(l.failures))
	}
	if len(l.pods) < 6 {
		t.Errorf("%d Pods answered; the Pods were not replaced twice: %v", len(l.pods), l.pods)
	}
	expect(t, d, fmt.Sprintf("http://web.test/edited-%d", int(c.time/(100*time.Millisecond))), "200 web")
	daemuntest.Eventually(t, 60*time.Second, "the last certificate", func() error {
		conn, err := tls.Dial("tcp", d.HTTPS, &tls.Config{ServerName: "secure.test", InsecureSkipVerify: true})
		if err != nil {
			return err
		}
		defer conn.Close()
		if name := conn.ConnectionState().PeerCertificates[0].Subject.CommonName; name != "certificate 1" {
			return errors.New(name)
		}
		return nil
	})
}

// load is what all clients found together.
type load struct {
	d                  *daemuntest.Instance
	requests, reopened atomic.Int64

	mu       sync.Mutex // guards the following
	failures []string   // the first ones
	failed   int
	pods     map[string]int // requests by Pod
}

func (l *load) fail(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed++; len(l.failures) < 20 {
		l.failures = append(l.failures, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
	}
}

// client is one connection that carries one request after the other. It does
// nothing to hide a failure.
type client struct {
	*load
	host   string
	secure bool
	pause  time.Duration

	conn net.Conn
	r    *bufio.Reader
	n    int // requests on this connection
}

// dial opens the connection; when it cannot, conn is nil.
func (k *client) dial() {
	var err error
	k.n = 0
	if k.secure {
		var c *tls.Conn
		c, err = tls.Dial("tcp", k.d.HTTPS, &tls.Config{ServerName: k.host, InsecureSkipVerify: true})
		k.conn = c
	} else {
		k.conn, err = net.Dial("tcp", k.d.HTTP)
	}
	if err != nil {
		k.conn = nil
		k.fail("dial: %v", err)
		return
	}
	k.r = bufio.NewReader(k.conn)
}

func (k *client) run(ctx context.Context) {
	tick := time.NewTicker(k.pause)
	defer tick.Stop()
	pods := map[string]int{}
	for k.conn != nil {
		select {
		case <-ctx.Done():
			k.conn.Close()
			k.mu.Lock()
			for name, n := range pods {
				k.pods[name] += n
			}
			k.mu.Unlock()
			return
		case <-tick.C:
		}
		pod, again, err := k.ask()
		if err != nil {
			k.fail("%s request %d on connection %v: %v", k.host, k.n, k.conn.LocalAddr(), err)
		}
		pods[pod]++
		if !again {
			k.conn.Close()
			k.dial()
			k.reopened.Add(1)
		}
	}
}

// ask makes one request and reports which Pod answered and whether the
// connection may be used again.
func (k *client) ask() (pod string, again bool, err error) {
	k.n++
	k.requests.Add(1)
	if err := k.conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", false, err
	}
	// Every other request is one that no proxy may repeat.
	method, rest := "GET", "\r\n"
	if k.n%2 == 0 {
		method, rest = "POST", "Content-Length: 4\r\n\r\nbody"
	}
	if _, err := fmt.Fprintf(k.conn, "%s /stable/%d HTTP/1.1\r\nHost: %s\r\n%s", method, k.n, k.host, rest); err != nil {
		return "", false, err
	}
	resp, err := http.ReadResponse(k.r, nil)
	if err != nil {
		return "", false, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", false, err
	}
	var e daemuntest.Echo
	switch err := json.Unmarshal(got, &e); {
	case resp.StatusCode != http.StatusOK:
		return "", !resp.Close, fmt.Errorf("status %d: %s", resp.StatusCode, strings.TrimSpace(string(got)))
	case err != nil:
		return "", !resp.Close, err
	case e.Service != "web" || e.Path != fmt.Sprint("/stable/", k.n):
		return e.Pod, !resp.Close, fmt.Errorf("answer to another request: %+v", e)
	case resp.Close != (k.n == requestsPerConn):
		return e.Pod, !resp.Close, fmt.Errorf("Connection: close is %v at request %d", resp.Close, k.n)
	}
	return e.Pod, !resp.Close, nil
}
