package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestRulesOfTheSuiteAboutCookies: affinity and canaries, as ingress-nginx's
// suite asks. Each host has a Service of its own, because affinity belongs to it.
func TestRulesOfTheSuiteAboutCookies(t *testing.T) {
	t.Parallel()
	var manifests []string
	sticky := func(name string, paths []string, annotations ...string) {
		manifests = append(manifests, backends(t, name, numbered(name, 2)...))
		for i := range paths {
			paths[i] += " " + name
		}
		host := name + ".test"
		switch name {
		case "nohost":
			host = ""
		case "secured":
			host += "!"
		}
		manifests = append(manifests, site(name, host, append(on("affinity: cookie", "session-cookie-name: SERVERID"), annotations...), paths...))
	}
	sticky("named", []string{"/ Prefix"})
	sticky("paths", []string{"/something Prefix", "/somewhereelse Prefix"})
	sticky("expires", []string{"/ Prefix"}, "session-cookie-expires: 172800", "session-cookie-max-age: 259200", "session-cookie-hash: sha1")
	sticky("regex", []string{"/foo/.* ImplementationSpecific"}, "use-regex: true", "session-cookie-path: /foo/bar")
	sticky("aliased", []string{"/bar Prefix"}, "server-alias: a1.aliased.test,a2.aliased.test")
	sticky("always", []string{"/bar Prefix"}, "session-cookie-secure: true")
	sticky("never", []string{"/bar Prefix"}, "session-cookie-secure: false")
	sticky("secured", []string{"/ Prefix"}, "session-cookie-secure: false")
	sticky("separate", []string{"/foo/bar Prefix"})
	manifests = append(manifests, site("separate2", "separate.test", nil, "/foo Prefix separate"))
	sticky("nohost", []string{"/ Prefix"})
	d := rulesUp(t, nil, manifests...)
	for _, tt := range []struct{ rule, ask, want string }{
		{"1.3 session-cookie-name", "GET http://named.test/", "SERVERID= "},
		{"6.2 Path is that of the Ingress", "GET http://paths.test/something", "SERVERID= ; Path=/something; HttpOnly"},
		{"6.2 Path is that of each rule", "GET http://paths.test/somewhereelse", "SERVERID= ; Path=/somewhereelse; HttpOnly"},
		{"1.3 session-cookie-path beside use-regex", "GET http://regex.test/foo/bar", "SERVERID= ; Path=/foo/bar; HttpOnly"},
		{"6.2 a host with aliases", "GET http://aliased.test/bar", "SERVERID= "},
		{"6.2 an alias", "GET http://a1.aliased.test/bar", "SERVERID= "},
		{"6.2 another alias", "GET http://a2.aliased.test/bar", "SERVERID= "},
		{"1.3 session-cookie-secure: true on http", "GET http://always.test/bar", "SERVERID= ; Path=/bar; Secure; HttpOnly"},
		{"1.3 session-cookie-secure: false on http", "GET http://never.test/bar", "SERVERID= ; Path=/bar; HttpOnly"},
		{"1.3 session-cookie-secure: false over TLS", "GET https://secured.test/", "SERVERID= ; Path=/; Secure; HttpOnly"},
		{"6.2 the other Ingress of the Service", "GET http://separate.test/foo", ""},
		{"6.2 the Ingress with affinity", "GET http://separate.test/foo/bar", "SERVERID= ; Path=/foo/bar; HttpOnly"},
		{"6.2 a rule without a host", "GET http://nowhere.test/", "SERVERID= "},
	} {
		begin, end, _ := strings.Cut(tt.want, " ")
		if _, cookie := d.tell(t, tt.ask); (cookie == "") != (tt.want == "") || !strings.HasPrefix(cookie, begin) || !strings.HasSuffix(cookie, end) {
			t.Errorf("%s: cookie %q", tt.rule, cookie)
		}
	}
	d.checkExpiry(t)
}

// checkExpiry: two days, give or take how long this takes, and three.
func (d instance) checkExpiry(t *testing.T) {
	t.Helper()
	_, line := d.tell(t, "GET http://expires.test/")
	cookie, err := http.ParseSetCookie(line)
	if err != nil || cookie.MaxAge != 259200 {
		t.Fatalf("1.3 session-cookie-max-age: %v, %q", err, line)
	}
	if left := time.Until(cookie.Expires); left < 47*time.Hour || left > 49*time.Hour {
		t.Errorf("1.3 session-cookie-expires: %v is in %v", cookie.Expires, left)
	}
}

// TestRulesOfTheSuiteAboutCanaries: who gets which share, as the suite asks.
func TestRulesOfTheSuiteAboutCanaries(t *testing.T) {
	t.Parallel()
	manifests := []string{backends(t, "main", speaker("main")), backends(t, "next", speaker("next"))}
	canary := func(host string, annotations ...string) {
		manifests = append(manifests, site("main-"+host, host+".test", nil, "/ Prefix main"), site("next-"+host, host+".test", append(on("canary: true"), annotations...), "/ Prefix next"))
	}
	canary("pattern", "canary-by-header: CanaryByHeader", "canary-by-header-pattern: ^Do[A-Z][a-z]+y$")
	canary("value", "canary-by-header: CanaryByHeader", "canary-by-header-value: DoCanary", "canary-by-header-pattern: ^Do[A-Z][a-z]+y$")
	canary("broken", "canary-by-header: CanaryByHeader", "canary-by-header-pattern: [][**da?$&*", "canary-by-cookie: CanaryByCookie")
	canary("cookie", "canary-by-cookie: Canary-By-Cookie")
	canary("none", "canary-weight: 0")
	canary("whole", "canary-weight: 1000", "canary-weight-total: 1000")
	canary("half", "canary-weight: 50")
	manifests = append(manifests,
		site("catchall", "", nil, "/ Prefix main"), site("catchallcanary", "", on("canary: true", "canary-by-header: CanaryByHeader"), "/ Prefix next"),
		site("paths", "paths.test", nil, "/ Prefix main"), site("pathscanary", "paths.test", on("canary: true", "canary-by-header: CanaryByHeader"), "/foo Prefix gone", "/bar Prefix gone"),
	)
	d := rulesUp(t, nil, manifests...)
	head := func(value string, more ...string) []string {
		return append([]string{"CanaryByHeader: " + value}, more...)
	}
	cookie := func(value string) []string { return []string{"Cookie: Canary-By-Cookie=" + value} }
	d.check(t, []row{
		{"6.3 header pattern", "GET http://pattern.test/", head("DoCanary"), "", []string{"200", "to next /"}},
		{"6.3 header pattern: case counts", "GET http://pattern.test/", head("Docanary"), "", []string{"200", "to main /"}},
		{"6.3 header value: the pattern is ignored beside it", "GET http://value.test/", head("DoCananry"), "", []string{"200", "to main /"}},
		{"6.3 header value", "GET http://value.test/", head("DoCanary"), "", []string{"200", "to next /"}},
		{"6.3 a broken pattern leads to the main backend, whatever the cookie", "GET http://broken.test/", head("DoCanary", "Cookie: CanaryByCookie=always"), "", []string{"200", "to main /"}},
		{"6.3 cookie: always", "GET http://cookie.test/", cookie("always"), "", []string{"200", "to next /"}},
		{"6.3 cookie: never", "GET http://cookie.test/", cookie("never"), "", []string{"200", "to main /"}},
		{"6.3 cookie: anything else", "GET http://cookie.test/", cookie("badcookievalue"), "", []string{"200", "to main /"}},
		{"6.3 weight 0", "GET http://none.test/", nil, "", []string{"200", "to main /"}},
		{"6.3 weight as the total", "GET http://whole.test/", nil, "", []string{"200", "to next /"}},
		{"6.3 a canary of the catch-all: others", "GET http://nowhere.test/", nil, "", []string{"200", "to main /"}},
		{"6.3 a canary of the catch-all", "GET http://nowhere.test/", head("always"), "", []string{"200", "to next /"}},
		{"6.3 paths that the main Ingress does not have", "GET http://paths.test/foo", head("always"), "", []string{"200", "to main /foo"}},
	})
	seen := map[string]int{}
	for range 200 {
		who, _ := d.tell(t, "GET http://half.test/")
		seen[who]++
	}
	// By chance it is less than a quarter once in 10^13.
	if seen["main"] < 50 || seen["next"] < 50 {
		t.Errorf("6.3 half of all: %v", seen)
	}
}

// TestRulesOfPersistentAffinity: a client stays while endpoints come, until its
// own is gone.
func TestRulesOfPersistentAffinity(t *testing.T) {
	t.Parallel()
	hosted := backendAddresses(t, numbered("keep", 9)...)
	d := instance{Instance: up(t, map[string]string{
		"site.yaml":  site("keep", "keep.test", on("affinity: cookie", "affinity-mode: persistent", "session-cookie-name: hello-cookie", "session-cookie-expires: 172800", "session-cookie-max-age: 172800"), "/ Prefix keep"),
		"other.yaml": backends(t, "other", speaker("other")) + site("other", "other.test", nil, "/ Prefix other"),
		"keep.yaml":  backendsAt("keep", hosted[:3]...),
	})}
	first, cookie := d.tell(t, "GET http://keep.test/")
	for n := 4; n <= 7; n++ {
		d.Write("keep.yaml", backendsAt("keep", hosted[:n]...))
		// The new endpoint is there when somebody without a cookie gets to it.
		d.reaches(t, "http://keep.test/", fmt.Sprint("200 keep-", n-1))
		if who, _ := d.tell(t, "GET http://keep.test/", back(cookie)); who != first {
			t.Fatalf("6.2 persistent: %s after %s with %d endpoints", who, first, n)
		}
	}
	d.Write("keep.yaml", backendsAt("keep"))
	d.reaches(t, "http://keep.test/", "503", back(cookie))
	d.Write("keep.yaml", backendsAt("keep", hosted[7:]...))
	d.reaches(t, "http://keep.test/", "200 keep-7")
	if who, set := d.tell(t, "GET http://keep.test/", back(cookie)); who == first || set == "" {
		t.Errorf("6.2 persistent: %s after %s is gone, cookie %q", who, first, set)
	}
}

// reaches asks until the answer is "status" or "status endpoint".
func (d instance) reaches(t *testing.T, url, want string, fields ...string) {
	t.Helper()
	d.Eventually(30*time.Second, url, func() error {
		o, err := d.ask("GET "+url, fields, "")
		if err != nil {
			return err
		}
		if got := strings.TrimSpace(fmt.Sprint(o.StatusCode, " ", o.heard.Service)); got != want {
			return fmt.Errorf("got %q, want %q", got, want)
		}
		return nil
	})
}
