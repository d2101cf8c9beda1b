package dashboard

import (
	"flag"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestGolden pins what the pages say, without their markup.
func TestGolden(t *testing.T) {
	t.Parallel()
	k := newKit(t, manifests)
	k.count("shop.example", "/cart", "cart", 6, 200)
	k.count("shop.example", "/cart", "cart", 2, 404)
	k.count("shop.example", "/pay", "payments", 4, 503)
	k.tick()
	for name, path := range map[string]string{
		"overview":     "/",
		"routes":       "/routes",
		"failing":      "/routes?show=failing",
		"route":        link("/route", "host", "shop.example", "path", "/pay", "type", "Prefix", "ingress", "shop/shop"),
		"services":     "/services",
		"service":      "/services/shop/payments",
		"pods":         "/pods",
		"certificates": "/certificates",
		"problems":     "/problems",
		"code":         "/problems/DMN0306",
		"explain":      "/explain?url=http://shop.example/orders/42&method=POST&headers=A:+b",
		"explain-403":  "/explain?url=http://office.example/&client=192.0.2.1",
		"explain-bad":  "/explain?url=ftp://x",
		"tap":          "/tap?host=shop.example",
		"missing":      "/nothing",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body := k.get(t, path)
			golden(t, "testdata/"+name+".txt", fmt.Sprintf("%d %s\n\n%s", status, path, text(body)))
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
}

var (
	blocks = regexp.MustCompile(`</(tr|p|li|h1|h2|div|dt|dd|figure|caption|pre|summary|thead)>`)
	cells  = regexp.MustCompile(`</(th|td)>`)
	tags   = regexp.MustCompile(`<[^>]*>`)
	blanks = regexp.MustCompile(`[ \t\n]+`)
)

// text is what a page says: a line for each block, cells with bars between.
func text(page string) string {
	_, page, _ = strings.Cut(page, "<main")
	page = "<main" + page
	page = blanks.ReplaceAllString(page, " ")
	page = cells.ReplaceAllString(page, " | ")
	page = blocks.ReplaceAllString(page, "\n")
	page = html.UnescapeString(tags.ReplaceAllString(page, ""))
	var b strings.Builder
	for line := range strings.Lines(page) {
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// TestEveryLink follows every link from the first page on: each leads
// somewhere, and no page shows what is in a Secret.
func TestEveryLink(t *testing.T) {
	t.Parallel()
	k := newKit(t, manifests)
	k.count("shop.example", "/cart", "cart", 6, 200)
	k.tick()
	links := regexp.MustCompile(`(?:href|src)="([^"]*)"`)
	seen := map[string]bool{"/": true}
	for queue := []string{"/", "/explain?url=http://office.example/&client=10.0.0.1", "/explain?url=http://shop.example/pay"}; len(queue) > 0; queue = queue[1:] {
		w := httptest.NewRecorder()
		k.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, queue[0], nil))
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d", queue[0], w.Code)
		}
		if strings.Contains(w.Body.String(), secretText) {
			t.Errorf("%s shows what is in a Secret", queue[0])
		}
		if !strings.HasPrefix(w.Header().Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'; style-src 'self';") {
			t.Errorf("%s: %s", queue[0], w.Header().Get("Content-Security-Policy"))
		}
		if strings.HasPrefix(queue[0], "/static/") {
			continue
		}
		for _, m := range links.FindAllStringSubmatch(w.Body.String(), -1) {
			u, err := url.Parse(html.UnescapeString(m[1]))
			if err != nil || u.Host != "" || u.Scheme != "" {
				t.Errorf("%s leads elsewhere: %s", queue[0], m[1])
				continue
			}
			u.Fragment = ""
			if u.Path != "" && !seen[u.String()] {
				seen[u.String()] = true
				queue = append(queue, u.String())
			}
		}
	}
	if len(seen) < 25 {
		t.Errorf("only %d pages were found", len(seen))
	}
}

// TestNothingChanges: no page takes anything but questions.
func TestNothingChanges(t *testing.T) {
	t.Parallel()
	k := newKit(t, manifests)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		w := httptest.NewRecorder()
		k.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/routes", nil))
		if w.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
}

// TestMarkupFromObjects: names and texts of objects stay text.
func TestMarkupFromObjects(t *testing.T) {
	t.Parallel()
	k := newKit(t, manifests)
	k.log = "<script>alert(1)</script>\n"
	for _, path := range []string{"/routes?q=<script>x</script>", "/explain?url=<script>x</script>", "/pods?q=\"><script>x"} {
		u := url.URL{Path: strings.SplitN(path, "?", 2)[0], RawQuery: strings.SplitN(path, "?", 2)[1]}
		u.RawQuery = strings.NewReplacer("<", "%3C", ">", "%3E", "\"", "%22").Replace(u.RawQuery)
		if _, body := k.get(t, u.String()); strings.Contains(body, "<script>") {
			t.Errorf("%s: markup of a reader is markup of the page", path)
		}
	}
	_, list := k.get(t, "/pods")
	pod := regexp.MustCompile(`/pods/shop/[^"]*`).FindString(list)
	if _, body := k.get(t, pod); strings.Contains(body, "<script>") || !strings.Contains(body, "&lt;script&gt;alert") {
		t.Errorf("the log is not shown as text: %s", body)
	}
}

// FuzzPages: no question breaks a page.
func FuzzPages(f *testing.F) {
	for _, seed := range []string{"/routes?page=-1&q=%ff", "/explain?url=http://[::1]:x/%2e%2e&headers=a%0ab", "/problems/x", "/pods/a/b?container=c", "/route?host=*", "/tap?status=9999999999"} {
		f.Add(seed)
	}
	k := newKit(f, manifests)
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.Parse(target)
		if err != nil || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.Contains(u.RawQuery, "take") {
			return
		}
		r := &http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}, Host: "localhost"}
		w := httptest.NewRecorder()
		k.ServeHTTP(w, r.WithContext(t.Context()))
		if w.Code >= 500 {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	})
}
