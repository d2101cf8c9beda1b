package e2e

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// TestRulesOfStickyCanaries: what cookies of affinity say beside canaries, and
// when an endpoint fails.
func TestRulesOfStickyCanaries(t *testing.T) {
	t.Parallel()
	cookie := "affinity: cookie"
	dead, live := refusing(t), httptest.NewServer(speaker("live"))
	t.Cleanup(live.Close)
	half := func(name string) string { return backendsAt(name, dead, live.Listener.Addr().String()) }
	d := rulesUp(t, nil, half("changes"), half("stays"),
		backends(t, "main1", speaker("main")), backends(t, "next1", speaker("next")), backends(t, "main2", speaker("main")), backends(t, "next2", speaker("next")),
		site("main1", "sticky.test", on(cookie), "/ Prefix main1"),
		site("next1", "sticky.test", on("canary: true", "canary-by-header: X-Next"), "/ Prefix next1"),
		site("main2", "legacy.test", on(cookie), "/ Prefix main2"),
		site("next2", "legacy.test", on("canary: true", "canary-by-header: X-Next", "affinity-canary-behavior: legacy"), "/ Prefix next2"),
		site("changes", "changes.test", on(cookie, "session-cookie-change-on-failure: true"), "/ Prefix changes"),
		site("stays", "stays.test", on(cookie, "proxy-next-upstream-tries: 2"), "/ Prefix stays"),
	)
	for _, host := range []string{"sticky", "legacy"} {
		ask := "GET http://" + host + ".test/"
		_, ofMain := d.tell(t, ask)
		if who, set := d.tell(t, ask, back(ofMain), "X-Next: always"); who != "main" || set != "" {
			t.Errorf("6.3 %s: the cookie of the main backend counts first, got %s, cookie %q", host, who, set)
		}
		who, ofNext := d.tell(t, ask, "X-Next: always")
		if who != "next" || (ofNext == "") != (host == "legacy") {
			t.Errorf("6.3 %s: the header without a cookie leads to %s, cookie %q", host, who, ofNext)
		}
		if host == "legacy" {
			continue
		}
		if who, set := d.tell(t, ask, back(ofNext)); who != "next" || set != "" {
			t.Errorf("6.3 %s: the cookie of the canary leads to %s, cookie %q", host, who, set)
		}
		if who, _ := d.tell(t, ask, back(ofNext), "X-Next: never"); who != "next" {
			t.Errorf("6.3 %s: the cookie of the canary counts first, got %s", host, who)
		}
		if who, _ := d.tell(t, ask, "Cookie: INGRESSCOOKIE=garbage", "X-Next: always"); who != "next" {
			t.Errorf("6.3 %s: a cookie that names no backend pins to neither, got %s", host, who)
		}
	}
	for range 16 {
		_, set := d.tell(t, "GET http://changes.test/")
		if who, again := d.tell(t, "GET http://changes.test/", back(set)); who != "live" || again != "" {
			t.Errorf("1.3 session-cookie-change-on-failure: %s, cookie %q after %q", who, again, set)
		}
	}
	failed := false
	for range 64 { // by chance all would go to the live one once in 2^64
		o, err := d.ask("GET http://stays.test/", nil, "")
		if err != nil {
			t.Fatal(err)
		}
		failed = failed || o.StatusCode == 502
	}
	if !failed {
		t.Error("5.4 affinity: another endpoint was tried than that of the cookie")
	}
}

// back is the Cookie field for what Set-Cookie said.
func back(set string) string {
	pair, _, _ := strings.Cut(set, ";")
	return "Cookie: " + pair
}
