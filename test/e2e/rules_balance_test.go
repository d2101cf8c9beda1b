package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// numbered is a backend of several endpoints, each with a number.
func numbered(name string, n int) (list []http.Handler) {
	for i := range n {
		list = append(list, speaker(fmt.Sprintf("%s-%d", name, i)))
	}
	return list
}

// TestRulesOfBalancing: hashes, affinity and canaries.
func TestRulesOfBalancing(t *testing.T) {
	t.Parallel()
	cookie := "affinity: cookie"
	canary := "canary: true"
	d := rulesUp(t, nil,
		backends(t, "web", numbered("web", 4)...), backends(t, "bykey", numbered("bykey", 4)...), backends(t, "subset", numbered("subset", 4)...),
		backends(t, "stick", numbered("stick", 4)...), backends(t, "keep", numbered("keep", 4)...), backends(t, "all", numbered("all", 2)...), backends(t, "lax", numbered("lax", 2)...),
		backends(t, "main", speaker("main")), backends(t, "next", speaker("next")), backends(t, "third", speaker("third")), backendsAt("empty"),
		site("ewma", "ewma.test", on("load-balance: ewma"), "/ Prefix web"),
		site("badlb", "badlb.test", on("load-balance: fastest"), "/ Prefix web"),
		site("bykey", "bykey.test", on("upstream-hash-by: $arg_k"), "/ Prefix bykey"),
		site("badkey", "badkey.test", on("upstream-hash-by: a b"), "/ Prefix web"),
		site("subset", "subset.test", on("upstream-hash-by: $arg_k", "upstream-hash-by-subset: true", "upstream-hash-by-subset-size: 2"), "/ Prefix subset"),
		site("stick", "stick.test!", on(cookie, "ssl-redirect: false"), "/ Prefix stick", "/deep/er Prefix stick"),
		site("beside", "beside.test", nil, "/ Prefix stick"),
		site("keep", "keep.test", on(cookie, "affinity-mode: persistent"), "/ Prefix keep"),
		site("all", "all.test", on(cookie, "session-cookie-name: route", "session-cookie-path: /p", "session-cookie-domain: all.test", "session-cookie-max-age: 60",
			"session-cookie-samesite: None", "session-cookie-conditional-samesite-none: true", "session-cookie-secure: true"), "/ Prefix all"),
		site("lax", "lax.test", on(cookie, "session-cookie-samesite: lax", "session-cookie-name: a b"), "/ Prefix lax"),
		site("main1", "header.test", nil, "/ Prefix main"),
		site("c1", "header.test", on(canary, "canary-by-header: X-Next", "canary-by-cookie: next"), "/ Prefix next"),
		site("main2", "value.test", nil, "/ Prefix main"),
		site("c2", "value.test", on(canary, "canary-by-header: X-Next", "canary-by-header-value: blue", "canary-by-header-pattern: red.*", "canary-by-cookie: next"), "/ Prefix next"),
		site("main3", "pattern.test", nil, "/ Prefix main"),
		site("c3", "pattern.test", on(canary, "canary-by-header: X-Next", "canary-by-header-pattern: ^(red|green)$"), "/ Prefix next"),
		site("main4", "weight.test", nil, "/ Prefix main"),
		site("c4", "weight.test", on(canary, "canary-weight: 100", "permanent-redirect: https://no.test/"), "/ Prefix next"),
		site("main5", "total.test", nil, "/ Prefix main"),
		site("c5", "total.test", on(canary, "canary-weight: 10", "canary-weight-total: 5"), "/ Prefix next"),
		site("main6", "down.test", nil, "/ Prefix empty"),
		site("c6", "down.test", on(canary, "canary-weight: 100"), "/ Prefix next"),
		site("main7", "candown.test", nil, "/ Prefix main"),
		site("c7", "candown.test", on(canary, "canary-weight: 100"), "/ Prefix empty"),
		site("c8", "alone.test", on(canary, "canary-weight: 100"), "/ Prefix next"),
		site("main9", "partly.test", nil, "/ Prefix main"),
		site("c9", "partly.test", on(canary, "canary-weight: 100"), "/deep Prefix next"),
		site("main10", "first.test", nil, "/ Prefix main"),
		site("c10@2020", "first.test", on(canary, "canary-weight: 100"), "/ Prefix next"),
		site("c11@2021", "first.test", on(canary, "canary-weight: 100"), "/ Prefix third"),
		site("off", "off.test", on("canary: false", "canary-weight: 100"), "/ Prefix main"),
		site("shares", "shares.test", nil, "/ Prefix next"),
	)
	d.check(t, balanceRows)
	d.check(t, canaryRows)
	d.checkHashes(t)
	d.checkAffinity(t)
}

var balanceRows = []row{
	{"6.1 ewma", "GET http://ewma.test/", nil, "", []string{"200"}},
	{"1.3 load-balance: bad", "GET http://badlb.test/", nil, "", []string{"404"}},
	{"1.3 upstream-hash-by: bad", "GET http://badkey.test/", nil, "", []string{"404"}},
}

func next(value string) []string { return []string{"x-nEXT: " + value} }

func nextCookie(value string, more ...string) []string {
	return append([]string{"Cookie: a=b; next=" + value}, more...)
}

var canaryRows = []row{
	{"6.3 header: always", "GET http://header.test/x", next("always"), "", []string{"200", "to next /x"}},
	{"6.3 header: never", "GET http://header.test/x", next("never"), "", []string{"200", "to main /x"}},
	{"6.3 header: anything else", "GET http://header.test/x", next("perhaps"), "", []string{"200", "to main /x"}},
	{"6.3 cookie: always", "GET http://header.test/x", nextCookie("always"), "", []string{"200", "to next /x"}},
	{"6.3 the header comes first", "GET http://header.test/x", nextCookie("always", "X-Next: never"), "", []string{"200", "to main /x"}},
	{"6.3 another header value falls through to the cookie", "GET http://header.test/x", nextCookie("always", "X-Next: perhaps"), "", []string{"200", "to next /x"}},
	{"6.3 header value", "GET http://value.test/x", next("blue"), "", []string{"200", "to next /x"}},
	{"6.3 header value: always has no meaning", "GET http://value.test/x", next("always"), "", []string{"200", "to main /x"}},
	{"6.3 header value: never has no meaning", "GET http://value.test/x", nextCookie("always", "X-Next: never"), "", []string{"200", "to next /x"}},
	{"6.3 header value: the pattern is ignored beside it", "GET http://value.test/x", next("red"), "", []string{"200", "to main /x"}},
	{"6.3 header pattern", "GET http://pattern.test/x", next("green"), "", []string{"200", "to next /x"}},
	{"6.3 header pattern: no match", "GET http://pattern.test/x", next("greenish"), "", []string{"200", "to main /x"}},
	{"6.3 weight, other annotations are ignored", "GET http://weight.test/x", nil, "", []string{"200", "to next /x"}},
	{"6.3 main without endpoints", "GET http://down.test/x", nil, "", []string{"503"}},
	{"6.3 canary without endpoints", "GET http://candown.test/x", nil, "", []string{"200", "to main /x"}},
	{"6.3 canary without a partner", "GET http://alone.test/x", nil, "", []string{"404"}},
	{"6.3 canary of another path", "GET http://partly.test/deep", nil, "", []string{"200", "to main /deep"}},
	{"6.3 the first canary counts", "GET http://first.test/x", nil, "", []string{"200", "to next /x"}},
	{"1.3 canary: false is an ordinary Ingress", "GET http://off.test/x", nil, "", []string{"200", "to main /x"}},
	{"6.3 the Service of a canary may serve others", "GET http://shares.test/x", nil, "", []string{"200", "to next /x"}},
	{"6.3 the Service with a canary elsewhere has none here", "GET http://off.test/x", next("always"), "", []string{"200", "to main /x"}},
}

// tell asks and returns which endpoint has answered and the cookie that it set.
func (d instance) tell(t *testing.T, ask string, fields ...string) (endpoint, cookie string) {
	t.Helper()
	o, err := d.ask(ask, fields, "")
	if err != nil || o.StatusCode != 200 {
		t.Fatalf("%s: %v %v", ask, o, err)
	}
	return o.heard.Service, o.Header.Get("Set-Cookie")
}

// checkHashes: the same key leads to the same place, and keys lead to many.
func (d instance) checkHashes(t *testing.T) {
	t.Helper()
	places, of := map[string]bool{}, map[string]map[string]bool{}
	for round := range 4 {
		for key := range 24 {
			endpoint, _ := d.tell(t, fmt.Sprintf("GET http://bykey.test/?k=%d", key))
			id := fmt.Sprintf("key %d", key)
			if of[id] == nil {
				of[id] = map[string]bool{}
			}
			of[id][endpoint], places[endpoint] = true, true
			if len(of[id]) != 1 {
				t.Fatalf("6.1 upstream-hash-by: %s leads to %v in round %d", id, of[id], round)
			}
		}
	}
	of["subset"] = map[string]bool{}
	for range 16 {
		endpoint, _ := d.tell(t, "GET http://subset.test/?k=one")
		of["subset"][endpoint] = true
	}
	if len(places) < 2 {
		t.Errorf("6.1 upstream-hash-by: all keys lead to %v", places)
	}
	if n := len(of["subset"]); n < 1 || n > 2 {
		t.Errorf("6.1 upstream-hash-by-subset of two: %v", of["subset"])
	}
}

// checkAffinity: what cookies look like, and who keeps which client.
func (d instance) checkAffinity(t *testing.T) {
	t.Helper()
	for _, tt := range []struct{ rule, ask, agent, begin, end string }{
		{"6.2 the cookie", "GET http://stick.test/x", "", "INGRESSCOOKIE=", "; Path=/; HttpOnly"},
		{"6.2 over TLS", "GET https://stick.test/x", "", "INGRESSCOOKIE=", "; Path=/; Secure; HttpOnly"},
		{"6.2 Path is that of the Ingress", "GET http://stick.test/deep/er/x", "", "INGRESSCOOKIE=", "; Path=/deep/er; HttpOnly"},
		{"1.3 attributes", "GET http://all.test/x", "x", "route=", "; Max-Age=60; Domain=all.test; Path=/p; Secure; HttpOnly; SameSite=None"},
		{"1.3 conditional-samesite-none", "GET http://all.test/x", "Mozilla/5.0 Chrome/60.0", "route=", "; Max-Age=60; Domain=all.test; Path=/p; Secure; HttpOnly"},
		{"1.3 samesite is sent as it is spelled exactly; a bad name is the default", "GET http://lax.test/x", "", "INGRESSCOOKIE=", "; Path=/; HttpOnly"},
	} {
		_, cookie := d.tell(t, tt.ask, "User-Agent: "+tt.agent)
		if !strings.HasPrefix(cookie, tt.begin) || !strings.HasSuffix(cookie, tt.end) {
			t.Errorf("%s: %s", tt.rule, cookie)
		}
	}
	for _, host := range []string{"stick", "keep"} {
		first, cookie := d.tell(t, "GET http://"+host+".test/")
		cookie, _, _ = strings.Cut(cookie, ";")
		for range 8 {
			if again, set := d.tell(t, "GET http://"+host+".test/", "Cookie: "+cookie); again != first || set != "" {
				t.Errorf("6.2 %s: %s after %s, cookie %q", host, again, first, set)
			}
		}
		if host != "stick" {
			continue
		}
		for range 8 {
			if again, set := d.tell(t, "GET http://beside.test/", "Cookie: "+cookie); again != first || set != "" {
				t.Errorf("6.2 another Ingress of the Service: %s after %s, cookie %q", again, first, set)
			}
		}
	}
	if _, set := d.tell(t, "GET http://beside.test/"); set != "" {
		t.Errorf("6.2 another Ingress of the Service sets %q", set)
	}
	if _, set := d.tell(t, "GET http://stick.test/", "Cookie: INGRESSCOOKIE=garbage"); set != "" {
		t.Errorf("6.2 balanced: any value is a key, got %q", set)
	}
	if _, set := d.tell(t, "GET http://keep.test/", "Cookie: INGRESSCOOKIE=garbage"); set == "" {
		t.Error("6.2 persistent: a value that names nobody is not replaced")
	}
}
