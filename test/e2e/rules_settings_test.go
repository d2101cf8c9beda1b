package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// settings is the ConfigMap of an instance; lines are "key: value".
func settings(lines ...string) string {
	var b strings.Builder
	b.WriteString("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata:\n")
	for _, line := range lines {
		key, value, _ := strings.Cut(line, ": ")
		fmt.Fprintf(&b, "  %s: %q\n", key, value)
	}
	return b.String()
}

// bySettings names the ConfigMap of settings.
var bySettings = []string{"--configmap", "default/settings"}

const settingFields = `---
apiVersion: v1
kind: ConfigMap
metadata: {name: tell-backends}
data: {X-Tenant: "red-$host", X-Forwarded-Proto: https}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: tell-clients}
data: {X-Frame-Options: DENY}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: own-fields}
data: {X-Allowed: "$5", x-frame-options: SAMEORIGIN}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: other-fields}
data: {X-Other: "1"}
`

// TestRulesOfSettings: what the ConfigMap says, and who wins against an
// annotation.
func TestRulesOfSettings(t *testing.T) {
	t.Parallel()
	d := rulesUp(t, append([]string{"--default-backend-service", "default/standard"}, bySettings...), settingFields,
		settings(
			"http-redirect-code: 301", "hsts-max-age: 60", "hsts-include-subdomains: false", "hsts-preload: true", "ssl-redirect: false", "force-ssl-redirect: false",
			"proxy-body-size: 2k", "custom-http-errors: 404,503,x", "limit-req-status-code: 429", "limit-conn-status-code: 429", "whitelist-source-range: 127.0.0.0/8", "denylist-source-range: 10.0.0.0/8",
			"block-user-agents: BadBot,~*^evil", "block-referers: ~spam", "proxy-set-headers: default/tell-backends", "add-headers: default/tell-clients", "hide-headers: X-Secret,X-Powered-By",
			"global-allowed-response-headers: X-Allowed,x-frame-options", "generate-request-id: false", "proxy-add-original-uri-header: true", "enable-underscores-in-headers: true", "server-tokens: true",
			"no-tls-redirect-locations: /open", "proxy-cookie-path: /one/ /", "retry-non-idempotent: true", "proxy-next-upstream: error timeout http_502", "annotations-risk-level: Medium",
			"annotation-value-word-blocklist: forbidden,also", "use-gzip: true", "nonsense-key: 1",
		),
		backends(t, "web", speaker("web")), backends(t, "standard", pageMaker(false)), backends(t, "reset", http.HandlerFunc(resetting), speaker("reset")), backendsAt("empty"),
		site("plain", "plain.test!", nil, "/ Prefix web", "/empty Prefix empty"),
		site("forced", "forced.test!", on("ssl-redirect: true", "force-ssl-redirect: true"), "/ Prefix web", "/open Prefix web"),
		site("long", "long.test", on("proxy-body-size: 4k"), "/ Prefix web"),
		site("codes", "codes.test", on("custom-http-errors: 418"), "/ Prefix web"),
		site("kept", "kept.test", on("whitelist-source-range: 10.0.0.0/8"), "/ Prefix web"),
		site("limit", "limit.test", on("limit-rpm: 1", "limit-burst-multiplier: 0"), "/ Prefix web"),
		site("own", "own.test", on("custom-headers: default/own-fields"), "/ Prefix web"),
		site("unlisted", "unlisted.test", on("custom-headers: default/other-fields"), "/ Prefix web"),
		site("nomap", "nomap.test", on("custom-headers: default/none"), "/ Prefix web"),
		site("risky", "risky.test", on("auth-url: http://web.default.svc/"), "/ Prefix web"),
		site("word", "word.test", on("upstream-vhost: forbidden.test"), "/ Prefix web"),
		site("reset", "reset.test", nil, "/ Prefix reset"),
	)
	d.check(t, settingRows)
	d.checkRetriesOf(t, "8 retry-non-idempotent", "POST http://reset.test/")
}

var settingRows = []row{
	{"8 ssl-redirect: false", "GET http://plain.test/x", nil, "", []string{"200", "no Strict-Transport-Security"}},
	{"8 http-redirect-code; the annotation wins", "GET http://forced.test/x", nil, "", []string{"301", "Location: https://forced.test/x"}},
	{"8 no-tls-redirect-locations", "GET http://forced.test/open/x", nil, "", []string{"200"}},
	{"8 hsts-*", "GET https://plain.test/x", nil, "", []string{"200", "Strict-Transport-Security: max-age=60; preload"}},
	{"8 proxy-body-size", "POST http://plain.test/x", nil, strings.Repeat("x", 2049), []string{"413"}},
	{"8 proxy-body-size of an annotation", "POST http://long.test/x", nil, strings.Repeat("x", 4096), []string{"200"}},
	{"8 custom-http-errors", "GET http://plain.test/?status=404", nil, "", []string{"404", "to pages /", "sent X-Code: 404", "sent X-Ingress-Name: plain"}},
	{"8 custom-http-errors: what Daemun makes", "GET http://plain.test/empty", nil, "", []string{"503", "to pages /", "sent X-Code: 503"}},
	{"8 custom-http-errors of an annotation", "GET http://codes.test/?status=404", nil, "", []string{"404", "to web /?status=404"}},
	{"11.2 the default backend has unknown hosts", "GET http://unknown.test/x", nil, "", []string{"200", "to pages /x"}},
	{"8 whitelist-source-range of an annotation", "GET http://kept.test/", nil, "", []string{"403"}},
	{"8 limit-req-status-code: first", "GET http://limit.test/", nil, "", []string{"200"}},
	{"8 limit-req-status-code", "GET http://limit.test/", nil, "", []string{"429"}},
	{"8 block-user-agents", "GET http://plain.test/", []string{"User-Agent: BadBot"}, "", []string{"403"}},
	{"8 block-user-agents: whole", "GET http://plain.test/", []string{"User-Agent: BadBot/2"}, "", []string{"200"}},
	{"8 block-user-agents: expression", "GET http://plain.test/", []string{"User-Agent: EVIL/2"}, "", []string{"403"}},
	{"8 block-referers", "GET http://plain.test/", []string{"Referer: http://spam.test/"}, "", []string{"403"}},
	{"8 proxy-set-headers", "GET http://plain.test/", []string{"X-Tenant: blue"}, "", []string{"200", "sent X-Tenant: red-plain.test", "sent X-Forwarded-Proto: https", "sent X-Scheme: http"}},
	{"8 add-headers, hide-headers, server-tokens", "GET http://plain.test/?f=X-Secret:1&f=X-Powered-By:y&f=X-Frame-Options:none&f=Server:z", nil, "", []string{"200", "no X-Secret", "no X-Powered-By", "X-Frame-Options: DENY", "Server: daemun"}},
	{"8 generate-request-id, proxy-add-original-uri-header, enable-underscores-in-headers", "GET http://plain.test/x?y", []string{"X-Original-URI: /forged", "Under_Score: 1", "X_Real_IP: 9.9.9.9"}, "", []string{
		"200", "unsent X-Request-ID", "sent X-Original-URI: /x?y", "sent Under_Score: 1", "unsent X_Real_IP",
	}},
	{"1.2 custom-headers", "GET http://own.test/?f=X-Frame-Options:none", nil, "", []string{"200", "X-Allowed: $5", "X-Frame-Options: SAMEORIGIN"}},
	{"1.2 custom-headers: not allowed", "GET http://unlisted.test/", nil, "", []string{"503"}},
	{"1.2 custom-headers: missing", "GET http://nomap.test/", nil, "", []string{"503"}},
	{"0 annotations-risk-level", "GET http://risky.test/x", nil, "", []string{"200", "to pages /x"}},
	{"0 annotation-value-word-blocklist", "GET http://word.test/x", nil, "", []string{"200", "to pages /x"}},
	{"8 proxy-cookie-path", "GET http://plain.test/?f=Set-Cookie:a%3D1%3B+Path%3D/one/x", nil, "", []string{"200", "Set-Cookie: a=1; Path=/x"}},
	{"8 use-gzip", "GET http://plain.test/?f=Content-Type:application/json&f=Content-Length:", []string{"Accept-Encoding: gzip"}, "", []string{"200"}},
}

// checkRetriesOf expects that every request succeeds.
func (d instance) checkRetriesOf(t *testing.T, rule, ask string) {
	t.Helper()
	for range 6 {
		if o, err := d.ask(ask, nil, ""); err != nil || o.StatusCode != 200 {
			t.Errorf("%s: %v %v", rule, o, err)
		}
	}
}

// TestRulesOfForwarded: what is believed of a proxy before Daemun.
func TestRulesOfForwarded(t *testing.T) {
	t.Parallel()
	all := rulesUp(t, bySettings, settings("use-forwarded-headers: true", "compute-full-forwarded-for: true"), backends(t, "web", speaker("web")), backends(t, "asked", http.HandlerFunc(asked)),
		site("tls", "tls.test!", nil, "/ Prefix web"), site("plain", "plain.test", nil, "/ Prefix web"), site("www", "w.test", on("from-to-www-redirect: true"), "/ Prefix web"),
		site("list", "list.test", on("whitelist-source-range: 9.9.9.9"), "/ Prefix web"), site("signin", "signin.test", on(asks+"401", "auth-signin: https://login.test/"), "/ Prefix web"),
	)
	all.check(t, []row{
		{"5.2 all that a proxy says", "GET http://plain.test/x", []string{"X-Forwarded-For: 9.9.9.9, 8.8.8.8", "X-Forwarded-Proto: https", "X-Forwarded-Port: 444", "X-Forwarded-Host: shown.test", "X-Forwarded-Prefix: /p"}, "", []string{
			"200", "sent Host: shown.test", "sent X-Forwarded-Host: shown.test", "sent X-Real-IP: 9.9.9.9", "sent X-Forwarded-For: 9.9.9.9, 8.8.8.8, 127.0.0.1", "sent X-Forwarded-Port: 444",
			"sent X-Forwarded-Proto: https", "sent X-Scheme: https", "sent X-Original-Forwarded-For: 9.9.9.9, 8.8.8.8", "sent X-Original-Forwarded-Host: shown.test", "sent X-Forwarded-Prefix: /p",
		}},
		{"3.1 https by X-Forwarded-Proto", "GET http://tls.test/x", []string{"X-Forwarded-Proto: https"}, "", []string{"200", "no Strict-Transport-Security"}},
		{"3.1 http by X-Forwarded-Proto", "GET https://tls.test/x", []string{"X-Forwarded-Proto: http", "X-Forwarded-Host: shown.test"}, "", []string{"308", "Location: https://shown.test/x"}},
		{"3.3 www by X-Forwarded-*", "GET http://www.w.test/x", []string{"X-Forwarded-Proto: https", "X-Forwarded-Port: 443"}, "", []string{"308", "Location: https://w.test:443/x"}},
		{"5.2 lists go by the client", "GET http://list.test/", []string{"X-Forwarded-For: 9.9.9.9"}, "", []string{"200"}},
		{"5.2 lists go by the client: another", "GET http://list.test/", []string{"X-Forwarded-For: 9.9.9.8"}, "", []string{"403"}},
		{"1.4.1 auth-signin by X-Forwarded-Proto", "GET http://signin.test/x", []string{"X-Forwarded-Proto: https"}, "", []string{"302", "Location: https://login.test/?rd=https://signin.test%2Fx"}},
	})
	some := rulesUp(t, bySettings, settings("use-forwarded-headers: true", "proxy-real-ip-cidr: 10.0.0.0/8"), backends(t, "web", speaker("web")), site("plain", "plain.test", nil, "/ Prefix web"))
	some.check(t, []row{
		{"5.2 not of strangers", "GET http://plain.test/x", []string{"X-Forwarded-For: 9.9.9.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: shown.test", "X-Forwarded-Prefix: /p"}, "", []string{
			"200", "sent Host: plain.test", "sent X-Real-IP: 127.0.0.1", "sent X-Forwarded-For: 127.0.0.1", "sent X-Forwarded-Proto: http", "unsent X-Forwarded-Prefix",
		}},
	})
	address := rulesUp(t, bySettings, settings("enable-real-ip: true", "forwarded-for-header: CF-Connecting-IP"), backends(t, "web", speaker("web")), site("plain", "plain.test", nil, "/ Prefix web"))
	address.check(t, []row{
		{"5.2 enable-real-ip: the address only", "GET http://plain.test/x", []string{"CF-Connecting-IP: 9.9.9.9", "X-Forwarded-For: 8.8.8.8", "X-Forwarded-Proto: https"}, "", []string{
			"200", "sent X-Real-IP: 9.9.9.9", "sent X-Forwarded-For: 9.9.9.9", "sent X-Forwarded-Proto: http", "sent X-Original-Forwarded-For: 9.9.9.9",
		}},
	})
}

// TestRulesOfGlobalAuth: global-auth-url and who has no part in it.
func TestRulesOfGlobalAuth(t *testing.T) {
	t.Parallel()
	d := rulesUp(t, bySettings,
		settings("global-auth-url: http://asked.default.svc/401", "global-auth-signin: https://login.test/", "global-auth-response-headers: X-User", "no-auth-locations: /open"),
		backends(t, "web", speaker("web")), backends(t, "asked", http.HandlerFunc(asked)),
		site("asked", "asked.test", nil, "/x Prefix web", "/open Prefix web"),
		site("own", "own.test", on(asks+"204"), "/ Prefix web"),
		site("out", "out.test", on("enable-global-auth: false"), "/ Prefix web"),
	)
	d.check(t, []row{
		{"1.4.1 global-auth-url", "GET http://asked.test/x", nil, "", []string{"302", "Location: https://login.test/?rd=http://asked.test%2Fx"}},
		{"1.4.1 the implicit root, too", "GET http://asked.test/none", nil, "", []string{"302"}},
		{"1.4.1 not unknown hosts", "GET http://unknown.test/", nil, "", []string{"404"}},
		{"8 no-auth-locations", "GET http://asked.test/open", nil, "", []string{"200"}},
		{"1.4.1 an Ingress's own replaces it", "GET http://own.test/", nil, "", []string{"200"}},
		{"1.4 enable-global-auth: false", "GET http://out.test/", nil, "", []string{"200"}},
	})
}
