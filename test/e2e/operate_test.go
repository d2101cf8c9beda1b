package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"daemun/internal/daemuntest"
)

// TestBothMistakesAreFoundUnderLoad: the shop has one backend that fails and
// one URL that is not found. Whoever knows neither finds both by commands alone
// while everything else is asked for.
func TestBothMistakesAreFoundUnderLoad(t *testing.T) {
	t.Parallel()
	shop, err := filepath.Abs("../../examples/shop")
	if err != nil {
		t.Fatal(err)
	}
	d := daemuntest.Up(t, daemuntest.Options{Bin: bin, Paths: []string{shop}}, nil)
	defer askFor(d,
		"shop.localhost/", "shop.localhost/cart", "shop.localhost/search", "shop.localhost/login", "shop.localhost/reviews", "shop.localhost/account",
		"api.shop.localhost/v1/orders", "api.shop.localhost/v1/products", "api.shop.localhost/v1/prices", "images.shop.localhost/", "status.shop.localhost/",
		"shop.localhost/checkout/pay", "api.shop.localhost/v1/orders/42",
	)()
	ask := func(want string, args ...string) {
		t.Helper()
		d.Eventually(time.Minute, "daemun "+strings.Join(args, " "), func() error {
			if out, _ := d.Run(args...); !strings.Contains(out, want) {
				return fmt.Errorf("no %q in:\n%s", want, out)
			}
			return nil
		})
	}
	ask("/checkout/pay", "top", "--sort-by", "errors", "--rows", "1", "--once")
	ask("BANK_URL is not set", "get", "problems", "-A")
	ask("BANK_URL is not set", "check")
	ask(" http://api.shop.localhost/v1/orders/42 ", "tap", "--status", "404", "--count", "1")
	ask("/v1/orders (Exact)", "explain", "http://api.shop.localhost/v1/orders/42")
}

// askFor asks for URLs, which are without a scheme, until it is told to stop.
func askFor(d *daemuntest.Instance, urls ...string) (stop func()) {
	end := make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() {
		for {
			for _, url := range urls {
				select {
				case <-end:
					return
				default:
				}
				// What is answered is for those to find who look.
				_, _, _ = d.Get("http://" + url)
			}
		}
	})
	return func() {
		close(end)
		asking.Wait()
		d.Client().CloseIdleConnections()
	}
}

// TestProfilesAreServedWhereAsked: at an address of their own, which no route
// leads to, and nowhere without --profiling.
func TestProfilesAreServedWhereAsked(t *testing.T) {
	t.Parallel()
	d := daemuntest.Up(t, daemuntest.Options{Bin: bin, Args: []string{"--profiling", "--profiler-port", "0"}}, map[string]string{"m.yaml": "# nothing to serve"})
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for url, want := range map[string]int{
		"http://" + d.Profiler + "/debug/pprof/goroutine?debug=1": 200,
		"http://" + d.Admin + "/debug/pprof/goroutine?debug=1":    404,
		"http://" + d.HTTP + "/debug/pprof/goroutine?debug=1":     404,
	} {
		r, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != want {
			t.Errorf("%s: %d, want %d", url, r.StatusCode, want)
		}
	}
}
