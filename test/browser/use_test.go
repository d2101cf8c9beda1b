package browser

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// page is a page as a browser without JavaScript gets it.
func (s *shop) page(path string) string {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.Admin+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// everyUse is what a person does with the pages.
func everyUse(browser context.Context, t *testing.T, s *shop) {
	for name, use := range map[string]func(*tab, *shop){
		"the overview is live":           overviewIsLive,
		"search while typing":            searchWhileTyping,
		"the keyboard alone":             keyboard,
		"explain a URL":                  explainURL,
		"watch requests":                 watchRequests,
		"from the overview to the cause": fromOverviewToCause,
		"both mistakes under load":       bothUnderLoad,
		"without JavaScript":             withoutJavaScript,
	} {
		t.Run(name, func(t *testing.T) {
			b := open(browser, t)
			b.look(1280, 800, "light")
			use(b, s)
			if wrong := b.complaints(); len(wrong) > 0 {
				t.Error(wrong)
			}
		})
	}
}

func overviewIsLive(b *tab, s *shop) {
	b.visit("http://"+s.Admin+"/", false)
	s.get("shop.localhost", "/login/here")
	b.until(`[...document.querySelectorAll("#live td, #live th")].some((e) => e.textContent.includes("shop.localhost/login"))`)
}

// slash presses the key that leads to the field of a page. As on a keyboard, a
// page that takes the key for itself gets no character: the driver's own way to
// type sends one in any case, into the field that has the focus by then.
func (b *tab) slash() {
	b.t.Helper()
	for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeKeyDown, input.DispatchKeyEventTypeKeyUp} {
		e := input.DispatchKeyEventParams{Type: kind, Key: "/", Code: "Slash", WindowsVirtualKeyCode: 191}
		if kind == input.DispatchKeyEventTypeKeyDown {
			e.Text, e.UnmodifiedText = "/", "/"
		}
		call(b, input.DispatchKeyEvent, e)
	}
}

func searchWhileTyping(b *tab, s *shop) {
	b.visit("http://"+s.Admin+"/routes", false)
	b.slash()
	b.until(`document.activeElement.id === "q" && document.activeElement.value === ""`)
	b.run(chromedp.KeyEvent("payments"))
	b.until(`document.querySelectorAll("#live tbody tr:not(.host)").length === 1 && location.search === "?q=payments"`)
	b.until(`document.activeElement.id === "q" && document.activeElement.value === "payments"`)
}

func keyboard(b *tab, s *shop) {
	b.visit("http://"+s.Admin+"/services", false)
	b.run(chromedp.KeyEvent(kb.Tab))
	b.until(`document.activeElement.className === "skip" && getComputedStyle(document.activeElement).outlineStyle !== "none"`)
	b.run(chromedp.KeyEvent(kb.Enter))
	b.until(`location.hash === "#main"`)
	b.run(chromedp.KeyEvent(kb.Tab))
	b.until(`document.activeElement.closest("main") !== null && document.activeElement.id === "q"`)
}

func explainURL(b *tab, s *shop) {
	b.visit("http://"+s.Admin+"/explain", true)
	b.slash()
	b.until(`document.activeElement.id === "url" && document.activeElement.value === ""`)
	b.run(chromedp.SendKeys(chromedp.ID("url"), "http://api.shop.localhost/v1/orders/42"+kb.Enter))
	b.until(`document.querySelector(".verdict .status")?.textContent === "404"`)
	b.until(`document.querySelector(".verdict").textContent.includes("/v1/orders (Exact)")`)
}

func watchRequests(b *tab, s *shop) {
	b.visit("http://"+s.Admin+"/tap?status=404", true)
	b.run(chromedp.Click("#tap-live"))
	b.until(`document.getElementById("pulse").dataset.state === "on"`)
	s.get("shop.localhost", "/cart/of/somebody")
	s.get("api.shop.localhost", "/v1/orders/42?token=hunter2")
	b.until(`document.querySelector("#samples .sample")?.textContent.includes("/v1/orders/42?token=[redacted]")`)
	b.until(`document.querySelectorAll("#samples .sample").length === 1`)
	b.run(chromedp.Click("#tap-live"))
	b.until(`document.getElementById("tap-live").textContent === "Watch live"`)
}

// bothUnderLoad finds the backend that fails and the URL that is not found while
// everything else is asked for, from the first page on and knowing neither.
func bothUnderLoad(b *tab, s *shop) {
	defer s.load()()
	fromOverviewToCause(b, s)
	b.run(chromedp.Click(`//nav//a[contains(., "Requests")]`))
	b.until(`document.querySelector("h1").textContent === "Requests"`)
	b.run(chromedp.SendKeys(chromedp.ID("status"), "404"), chromedp.Click("#tap-live"))
	b.until(`document.querySelector("#samples .sample summary")?.textContent.includes("api.shop.localhost/v1/orders/42")`)
	b.run(chromedp.Click("#tap-live"), chromedp.Click("#samples .sample summary"), chromedp.Click(`//a[contains(., "Explain this answer")]`))
	b.until(`document.querySelector(".verdict")?.textContent.includes("/v1/orders (Exact)")`)
}

// load asks for all of the shop again and again until it is told to stop.
func (s *shop) load() (stop func()) {
	end := make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() {
		for {
			for _, url := range [][2]string{
				{"shop.localhost", "/"},
				{"shop.localhost", "/cart"},
				{"shop.localhost", "/search"},
				{"shop.localhost", "/login"},
				{"shop.localhost", "/reviews"},
				{"api.shop.localhost", "/v1/orders"},
				{"api.shop.localhost", "/v1/products"},
				{"api.shop.localhost", "/v1/prices"},
				{"images.shop.localhost", "/"},
				{"status.shop.localhost", "/"},
				{"shop.localhost", "/checkout/pay"},
				{"api.shop.localhost", "/v1/orders/42"},
			} {
				select {
				case <-end:
					return
				default:
					s.get(url[0], url[1])
				}
			}
		}
	})
	return func() { close(end); asking.Wait() }
}

// fromOverviewToCause is the story of examples/shop: from the first page to the
// last words of the program that fails, by links alone.
func fromOverviewToCause(b *tab, s *shop) {
	s.wait("payments has failed", func() error {
		if !strings.Contains(s.page("/"), "shop/payments") {
			return fmt.Errorf("the overview says nothing of it")
		}
		return nil
	})
	b.visit("http://"+s.Admin+"/", false)
	b.run(chromedp.Click(`//ul[@class="items"]//a[contains(., "shop/payments")]`))
	b.until(`document.querySelector("h1").textContent === "shop.localhost/checkout/pay"`)
	b.run(chromedp.Click(`//ol[@class="trail"]//a[contains(@href, "/services/shop/payments")]`))
	b.until(`document.querySelector("h1").textContent === "shop/payments"`)
	b.run(chromedp.Click(`//main//a[contains(@href, "/pods/shop/payments-")]`))
	b.until(`document.querySelector("pre.log")?.textContent.includes("BANK_URL is not set")`)
}

func withoutJavaScript(b *tab, s *shop) {
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	for path, want := range map[string]string{
		"/": "Traffic", "/routes?q=payments": "/checkout/pay", "/services": "recommendations", "/pods": "payments-", "/problems": "DMN0503",
		"/explain?url=http%3A%2F%2Fapi.shop.localhost%2Fv1%2Forders%2F42": "from the built-in default backend", "/tap?take=1&host=x": "0 requests in 3 s",
	} {
		b.run(chromedp.Navigate("http://" + s.Admin + path))
		// The driver may ask where the page may not run anything of its own.
		text := ask[string](b, `document.querySelector("main").innerText`)
		if !strings.Contains(text, want) {
			b.t.Errorf("%s: no %q in\n%s", path, want, text)
		}
	}
}
