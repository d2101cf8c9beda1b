package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// stopTimeout is how long a controller may take to end in order.
const stopTimeout = time.Minute

// instances counts the controllers, for addresses of their own.
var instances atomic.Int32

// Controller is a running `daemun controller` on an address of its own in the
// Pod network, as a replica has.
type Controller struct {
	// HTTP, HTTPS and Admin are its addresses.
	HTTP, HTTPS, Admin string
	Address            netip.Addr
	PID                int

	process *process
	ready   string
	t       testing.TB
}

// Controller starts `daemun controller` with the kubeconfig of the user and
// further arguments, and waits until it is ready. It is stopped with the test,
// which fails if it does not end in order.
func (u *User) Controller(args ...string) *Controller {
	u.t.Helper()
	c := u.StartController(args...)
	c.AwaitReady()
	return c
}

// StartController is Controller without waiting.
func (u *User) StartController(args ...string) *Controller {
	u.t.Helper()
	number := instances.Add(1)
	base := PodNetwork.Addr().As4()
	address := netip.AddrFrom4([4]byte{base[0], base[1], 254, byte(number)})
	dir := u.t.TempDir()
	c := &Controller{Address: address, ready: filepath.Join(dir, "ready.json"), t: u.t}
	var err error
	c.process, err = start(dir, "daemun", append([]string{"NO_COLOR=1"}, u.Env...), append([]string{
		u.Cluster.Programs.Daemun, "controller", "--kubeconfig", u.Kubeconfig, "--listen-address", address.String(),
		"--http-port", "8080", "--https-port", "8443", "--admin-address", net.JoinHostPort(address.String(), "10254"),
		"--ready-file", c.ready, "--post-shutdown-grace-period", "0",
	}, args...)...)
	if err != nil {
		u.t.Fatal(err)
	}
	c.PID = c.process.cmd.Process.Pid
	u.t.Cleanup(func() {
		if c.process.gone() == nil {
			c.Stop()
		}
		if u.t.Failed() {
			u.t.Logf("daemun at %s printed:\n%s", address, c.process.tail(40))
		}
	})
	return c
}

// AwaitReady waits until it serves its first table.
func (c *Controller) AwaitReady() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	err := Until(ctx, func() error {
		if err := c.process.gone(); err != nil {
			return Final(err)
		}
		text, err := os.ReadFile(c.ready)
		if err != nil {
			return err
		}
		return json.Unmarshal(text, c)
	})
	if err != nil {
		c.t.Fatalf("wait until daemun is ready: %v", err)
	}
}

// Terminate asks it to end, as the kubelet does, and returns at once.
func (c *Controller) Terminate() { c.process.signal(syscall.SIGTERM) }

// Kill ends it without warning, as the loss of a node does.
func (c *Controller) Kill() { c.process.kill() }

// Stop ends it in order.
func (c *Controller) Stop() {
	c.t.Helper()
	c.Terminate()
	timeout := time.NewTimer(stopTimeout)
	defer timeout.Stop()
	select {
	case <-c.process.exited:
		if c.process.err != nil {
			c.t.Errorf("daemun ended with %v", c.process.err)
		}
	case <-timeout.C:
		c.process.kill()
		c.t.Errorf("daemun did not end within %v of SIGTERM", stopTimeout)
	}
}

// Exited is closed when it has ended.
func (c *Controller) Exited() <-chan struct{} { return c.process.exited }

// Output is what it has printed so far: access log and talk.
func (c *Controller) Output() string {
	text, err := os.ReadFile(c.process.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Get asks for a URL, whose host it is taken to serve, over a new connection,
// and returns status and body.
func (c *Controller) Get(url string) (int, string, error) {
	client := c.Client()
	defer client.CloseIdleConnections()
	return Ask(c.t.Context(), client, url)
}

// Client is an HTTP client that finds every host at this controller, on the
// port for the scheme of the URL. Certificates are not checked.
func (c *Controller) Client() *http.Client {
	return clientTo(func(port string) string {
		if port == "443" {
			return c.HTTPS
		}
		return c.HTTP
	})
}

// Ask asks for a URL once and returns status and body.
func Ask(ctx context.Context, client *http.Client, url string) (int, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(bytes.TrimSpace(body)), err
}

// Until waits until a URL is answered with a status and a body that starts with
// a text.
func (c *Controller) Until(url string, status int, start string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	err := Until(ctx, func() error {
		if err := c.process.gone(); err != nil {
			return Final(err)
		}
		got, body, err := c.Get(url)
		if err != nil {
			return err
		}
		if got != status || !strings.HasPrefix(body, start) {
			return fmt.Errorf("%s is answered with %d %q", url, got, body)
		}
		return nil
	})
	if err != nil {
		c.t.Fatalf("wait for %d %q from %s: %v", status, start, url, err)
	}
}
