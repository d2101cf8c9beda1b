package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"daemun/internal/daemuntest"
)

// TestPolicies asks a running Daemun for what annotations say, from Secrets and
// other Services too: passwords, a service that is asked, CORS, a canary, an
// error backend.
func TestPolicies(t *testing.T) {
	t.Parallel()
	route := []rule{{"/", "web"}}
	d := up(t, map[string]string{
		"apps.yaml":  echoApp{name: "web", replicas: 1}.String() + "---\n" + echoApp{name: "next", replicas: 1}.String(),
		"users.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: users}\nstringData: {auth: \"ann:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\"}\n",
		"basic.yaml": ingress{name: "basic", host: "basic.test", rules: route, annotations: map[string]string{
			"auth-type": "basic", "auth-secret": "users", "auth-realm": "Staff", "enable-cors": "true", "cors-allow-origin": "https://*.partner.test",
		}}.String(),
		"open.yaml": ingress{name: "open", host: "open.test", rules: route, annotations: map[string]string{
			"auth-url": "http://next.default.svc.cluster.local:8080/status/204",
		}}.String(),
		"asked.yaml": ingress{name: "asked", host: "asked.test", rules: route, annotations: map[string]string{
			"auth-url": "http://next.default.svc.cluster.local:8080/status/401", "auth-signin": "https://login.test/start",
		}}.String(),
		"closed.yaml": ingress{name: "closed", host: "closed.test", rules: route, annotations: map[string]string{
			"auth-type": "basic", "auth-secret": "nobody",
		}}.String(),
		"main.yaml": ingress{name: "main", host: "canary.test", rules: route}.String(),
		"canary.yaml": ingress{name: "canary", host: "canary.test", rules: []rule{{"/", "next"}}, annotations: map[string]string{
			"canary": "true", "canary-by-header": "X-Next",
		}}.String(),
	})
	client := *d.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, tt := range []struct {
		name, method, host string
		fields             map[string]string
		password           string
		status             int
		field, value       string
		service            string
	}{
		{"no password", "GET", "basic.test", nil, "", 401, "WWW-Authenticate", `Basic realm="Staff"`, ""},
		{"wrong password", "GET", "basic.test", nil, "x", 401, "", "", ""},
		{"right password", "GET", "basic.test", nil, "secret", 200, "", "", "web"},
		{"preflight", "OPTIONS", "basic.test", map[string]string{"Origin": "https://a.partner.test"}, "", 204, "Access-Control-Allow-Origin", "https://a.partner.test", ""},
		{"the service agrees", "GET", "open.test", nil, "", 200, "", "", "web"},
		{"the service refuses", "GET", "asked.test", nil, "", 302, "Location", "https://login.test/start?rd=http://asked.test%2Fx", ""},
		{"Secret missing", "GET", "closed.test", nil, "", 503, "", "", ""},
		{"main", "GET", "canary.test", nil, "", 200, "", "", "web"},
		{"canary", "GET", "canary.test", map[string]string{"X-Next": "always"}, "", 200, "", "", "next"},
	} {
		daemuntest.Eventually(t, 20*time.Second, tt.name, func() error {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, "http://"+tt.host+"/x", http.NoBody)
			if err != nil {
				return err
			}
			for name, value := range tt.fields {
				req.Header.Set(name, value)
			}
			if tt.password != "" {
				req.SetBasicAuth("ann", tt.password)
			}
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				return err
			}
			if resp.StatusCode != tt.status || resp.Header.Get(tt.field) != tt.value || tt.service != "" && !strings.Contains(string(body), `"service": "`+tt.service+`"`) {
				return fmt.Errorf("%s: %d, %s %q, %.200q", tt.name, resp.StatusCode, tt.field, resp.Header.Get(tt.field), body)
			}
			return nil
		})
	}
}
