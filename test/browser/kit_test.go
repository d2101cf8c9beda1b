// Package browser looks at the dashboard with a real browser: every page, light
// and dark, wide and narrow, without an error in the console, and as people
// need it who use a keyboard or a screen reader. It is a module of its own, so
// that what it needs never reaches ours.
package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// patience bounds every wait; reaching it is a failure.
const patience = 2 * time.Minute

// shop is a running `daemun up` of the example, with a certificate and a
// mistake besides.
type shop struct {
	HTTP, Admin string
	t           *testing.T
	program     *exec.Cmd
	output      *os.File
}

const extra = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: mistake
  namespace: shop
  annotations:
    nginx.ingress.kubernetes.io/proxy-read-timeout: "soon"
    nginx.ingress.kubernetes.io/rewrite-targt: /
spec:
  ingressClassName: nginx
  tls: [{hosts: [secure.shop.localhost], secretName: secure}]
  rules:
  - host: secure.shop.localhost
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}
`

func start(t *testing.T) *shop {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "daemun")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./cmd/daemun")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	file, ready := filepath.Join(dir, "extra.yaml"), filepath.Join(dir, "ready")
	if err := os.WriteFile(file, []byte(extra+secret(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &shop{t: t}
	var err error
	if s.output, err = os.Create(filepath.Join(dir, "output")); err != nil {
		t.Fatal(err)
	}
	s.program = exec.Command(bin, "up", "--http-port", "0", "--https-port", "0", "--dns-port", "0", "--admin-address", "127.0.0.1:0",
		"--ready-file", ready, "--state-dir", filepath.Join(dir, "state"), "../../examples/shop", file)
	s.program.Stdout, s.program.Stderr = s.output, s.output
	s.program.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.program.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	s.wait("daemun is ready", func() error {
		b, err := os.ReadFile(ready)
		if err != nil {
			return err
		}
		return json.Unmarshal(b, s)
	})
	return s
}

func (s *shop) stop() {
	_ = s.program.Process.Signal(syscall.SIGTERM)
	if err := s.program.Wait(); err != nil || s.t.Failed() {
		text, _ := os.ReadFile(s.output.Name())
		s.t.Logf("daemun: %v\n%s", err, text)
	}
	s.output.Close()
}

// wait tries until something is so.
func (s *shop) wait(what string, try func() error) {
	s.t.Helper()
	end := time.NewTimer(patience)
	defer end.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-end.C:
			s.t.Fatalf("%s: %v", what, err)
		case <-tick.C:
		}
	}
}

// get makes a request of a client.
func (s *shop) get(host, path string) int {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.HTTP+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Host = host
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func secret(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "10",
		"-keyout", "key", "-out", "crt", "-subj", "/CN=secure.shop.localhost", "-addext", "subjectAltName=DNS:secure.shop.localhost")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl: %v\n%s", err, out)
	}
	text := "---\napiVersion: v1\nkind: Secret\nmetadata: {name: secure, namespace: shop}\ntype: kubernetes.io/tls\nstringData:\n"
	for _, name := range []string{"crt", "key"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		text += "  tls." + name + ": |\n    " + strings.ReplaceAll(strings.TrimSpace(string(b)), "\n", "\n    ") + "\n"
	}
	return text
}

// browse starts the browser. On a busy machine without a disk cache it takes
// its time, which is ours to give.
func browse(t *testing.T) context.Context {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.WSURLReadTimeout(patience), chromedp.Flag("disable-gpu", true))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("no browser: %v; make browser installs chromium", err)
	}
	return ctx
}

// tab is one page of the browser.
type tab struct {
	context.Context
	t *testing.T

	mu     sync.Mutex
	errors []string
}

// open opens a tab. It is closed with the test.
func open(browser context.Context, t *testing.T) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	b := &tab{t: t}
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	var stop context.CancelFunc
	b.Context, stop = context.WithCancel(ctx)
	messages := chromedp.Console(b)
	var listening sync.WaitGroup
	listening.Go(func() {
		for m, err := range messages {
			if err != nil {
				return // the tab is closed
			}
			if m.IsException() || m.Type == "error" || m.Type == "warning" {
				b.complain(m.String() + " " + m.URL)
			}
		}
	})
	t.Cleanup(func() {
		stop()
		listening.Wait()
		cancel()
	})
	return b
}

func (b *tab) complain(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.errors = append(b.errors, text)
}

// complaints are what the console said since the last call.
func (b *tab) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.errors
	b.errors = nil
	return list
}

// bounded is the time that one wait may take.
func (b *tab) bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(b, patience)
}

func (b *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := b.bounded()
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%v\n%s", err, b.state())
	}
}

// ask returns the value of an expression.
func ask[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := b.bounded()
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// call sends a command to the browser.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, cancel := b.bounded()
	defer cancel()
	r, err := chromedp.Call(ctx, command, params)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// askTime is after how long a question is asked again: one that meets a page
// that is being replaced is never answered.
const askTime = 3 * time.Second

// until waits for an expression to be true.
func (b *tab) until(expression string) {
	b.t.Helper()
	end, stop := b.bounded()
	defer stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ctx, cancel := context.WithTimeout(end, askTime)
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		cancel()
		if err == nil && is {
			return
		}
		select {
		case <-end.Done():
			b.t.Fatalf("never: %s (%v)\n%s", expression, err, b.state())
		case <-tick.C:
		}
	}
}

// state is where a page stands, for a test that has failed.
func (b *tab) state() string {
	ctx, cancel := context.WithTimeout(b, askTime)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](
		`location.href + "\nfocus: " + (document.activeElement?.id || document.activeElement?.tagName) + " " + (document.activeElement?.value ?? "") + "\n" + document.getElementById("pulse")?.textContent + "\n" + document.body.innerText`))
	if err != nil {
		return fmt.Sprintf("the page does not answer: %v; the console: %q", err, b.complaints())
	}
	return fmt.Sprintf("%s\nconsole: %q", text, b.complaints())
}

// look sets how the page is seen.
func (b *tab) look(width, height int64, scheme string) {
	b.t.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600})
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

// longest is how much of a page a picture shows.
const longest = 2600

// picture writes what is seen to the folder that $SCREENSHOTS names, which it makes.
// Without the variable there are no pictures.
func (b *tab) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	size := call(b, page.GetLayoutMetrics, cdp.Empty{}).CSSContentSize
	beyond := true
	shot := call(b, page.CaptureScreenshot, page.CaptureScreenshotParams{
		CaptureBeyondViewport: &beyond, Clip: &page.Viewport{Width: size.Width, Height: min(size.Height, longest), Scale: 1},
	})
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), shot.Data, 0o600); err != nil {
		b.t.Fatal(err)
	}
}
