package browser

import (
	"context"
	_ "embed"
	"fmt"
	"html"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

//go:embed access.js
var accessScript string

// pages are all of the dashboard: what is in the list, and the path.
func pages(s *shop) map[string]string {
	return map[string]string{
		"overview":      "/",
		"routes":        "/routes",
		"routes-none":   "/routes?q=nothing+like+this",
		"route":         "/route?host=shop.localhost&ingress=shop%2Fpayments&path=%2Fcheckout%2Fpay&type=Prefix",
		"route-rest":    s.restPath(),
		"services":      "/services",
		"service":       "/services/shop/cart",
		"service-down":  "/services/shop/payments",
		"pods":          "/pods",
		"pod":           s.podPath("payments-"),
		"certificates":  "/certificates",
		"problems":      "/problems",
		"problem":       "/problems/DMN0503",
		"explain":       "/explain",
		"explain-404":   "/explain?url=http%3A%2F%2Fapi.shop.localhost%2Fv1%2Forders%2F42",
		"explain-ok":    "/explain?url=http%3A%2F%2Fshop.localhost%2Fcart&headers=X-A%3A+b",
		"explain-tcp":   "/explain?url=tcp%3A%2F%2Fcart.shop%3A80",
		"explain-wrong": "/explain?url=http%3A%2F%2F&client=me",
		"tap":           "/tap",
		"missing":       "/nothing/here",
	}
}

// restPath is the page of what no rule of the API matches.
func (s *shop) restPath() string {
	s.t.Helper()
	for part := range strings.SplitSeq(s.page("/routes?q=api.shop"), `href="`) {
		if link, _, _ := strings.Cut(part, `"`); strings.Contains(link, "rest=1") {
			return html.UnescapeString(link)
		}
	}
	s.t.Fatal("no such route")
	return ""
}

// podPath is the page of the first Pod whose name begins like this.
func (s *shop) podPath(prefix string) string {
	s.t.Helper()
	text := s.page("/pods?q=" + prefix)
	_, rest, ok := strings.Cut(text, `href="/pods/shop/`+prefix)
	name, _, end := strings.Cut(rest, `"`)
	if !ok || !end {
		s.t.Fatalf("no Pod %s…:\n%s", prefix, text)
	}
	return "/pods/shop/" + prefix + name
}

// TestDashboard looks at one running Daemun with one browser: starting either
// is what takes time.
func TestDashboard(t *testing.T) {
	s := start(t)
	browser := browse(t)
	for range 20 { // something to draw
		s.get("shop.localhost", "/cart")
		s.get("shop.localhost", "/checkout/pay")
		s.get("api.shop.localhost", "/v1/orders/42")
	}
	s.wait("the requests are in the history", func() error {
		if text := s.page("/"); !strings.Contains(text, "/checkout/pay") || strings.Contains(text, "No request came") {
			return fmt.Errorf("the overview shows none of them")
		}
		return nil
	})
	t.Run("pages", func(t *testing.T) { everyPage(browser, t, s) })
	t.Run("use", func(t *testing.T) { everyUse(browser, t, s) })
}

// everyPage sees every page in every way it is seen: loaded once, and looked at
// light and dark, wide and narrow.
func everyPage(browser context.Context, t *testing.T, s *shop) {
	b := open(browser, t)
	for name, path := range pages(s) {
		t.Run(name, func(t *testing.T) {
			b.t = t
			b.visit("http://"+s.Admin+path, name == "missing")
			for _, width := range []int64{1280, 360} {
				for _, scheme := range []string{"light", "dark"} {
					b.look(width, 800, scheme)
					for _, w := range append(ask[[]string](b, strings.ReplaceAll(accessScript, "WIDTH", fmt.Sprint(width))), b.complaints()...) {
						if name == "missing" && strings.Contains(w, "404") {
							continue // the browser tells of the status
						}
						t.Errorf("%d %s: %s", width, scheme, w)
					}
					b.picture(fmt.Sprintf("%s-%d-%s", name, width, scheme))
				}
			}
		})
	}
}

// visit opens a page and waits until it is live, unless it is still.
func (b *tab) visit(url string, still bool) {
	b.t.Helper()
	b.run(chromedp.Navigate(url))
	if !still {
		b.until(`!document.body.hasAttribute("data-follow") || document.getElementById("pulse").dataset.state === "on"`)
	}
}
