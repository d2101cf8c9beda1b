package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// The Ingresses that change.
func suiteCanary(field string) string {
	return site("canary", "canary.test", on("canary: true", "canary-by-header: "+field), "/ Prefix next")
}

func suiteNamed(cookie string) string {
	return site("named", "named.test", on("affinity: cookie", "session-cookie-name: "+cookie), "/ Prefix sticky")
}

func suiteCodes(annotations ...string) string {
	return site("codes", "codes.test", append(on("default-backend: soft"), annotations...), "/ Prefix web")
}

func suiteSatisfy(how string) string {
	return site("satisfy", "satisfy.test", on(basic, basicOf, toMe, "satisfy: "+how), "/ Prefix web")
}

func suiteTLS(mode string) string {
	return site("tls", "tls.test!", on("auth-tls-secret: default/ca", "auth-tls-verify-client: "+mode), "/ Prefix web")
}

// suiteStep is a file that changes, or goes without text; turn is the request
// whose answer tells that the change is in effect, rows what else is so then.
type suiteStep struct {
	rule, file, text string
	turn             row
	rows             []row
}

var suiteSteps = []suiteStep{
	{
		"6.3 the main Ingress changes", "main.yaml", site("main", "canary.test", on("custom-http-errors: 418", "default-backend: soft"), "/ Prefix web"),
		row{"", "GET http://canary.test/?status=418", nil, "", []string{"to pages /"}},
		[]row{
			{"never", "GET http://canary.test/", []string{"CanaryByHeader: never"}, "", []string{"200", "to web /"}},
			{"always", "GET http://canary.test/", []string{"CanaryByHeader: always"}, "", []string{"200", "to next /"}},
		},
	},
	{
		"6.3 the canary changes", "canary.yaml", suiteCanary("CanaryByHeader2"),
		row{"", "GET http://canary.test/", []string{"CanaryByHeader2: always"}, "", []string{"to next /"}},
		[]row{
			{"never", "GET http://canary.test/", []string{"CanaryByHeader2: never"}, "", []string{"200", "to web /"}},
			{"the old field", "GET http://canary.test/", []string{"CanaryByHeader: always"}, "", []string{"200", "to web /"}},
		},
	},
	{
		"6.3 the main Ingress comes after the canary", "main.yaml", "",
		row{"", "GET http://canary.test/", []string{"CanaryByHeader2: always"}, "", []string{"404"}}, nil,
	},
	{
		"6.3 the main Ingress is back", "main.yaml", site("main", "canary.test", nil, "/ Prefix web"),
		row{"", "GET http://canary.test/", nil, "", []string{"to web /"}},
		[]row{{"always", "GET http://canary.test/", []string{"CanaryByHeader2: always"}, "", []string{"200", "to next /"}}},
	},
	{
		"1.6 custom-http-errors changes", "codes.yaml", suiteCodes("custom-http-errors: 503"),
		row{"", "GET http://codes.test/?status=503", nil, "", []string{"to pages /"}},
		[]row{
			{"404 is not in it any more", "GET http://codes.test/?status=404", nil, "", []string{"404", "to web /?status=404"}},
			{"500 neither", "GET http://codes.test/?status=500", nil, "", []string{"500", "to web /?status=500"}},
		},
	},
	{
		"1.6 disable-proxy-intercept-errors", "codes.yaml", suiteCodes("custom-http-errors: 404", "disable-proxy-intercept-errors: true"),
		row{"", "GET http://codes.test/?status=503", nil, "", []string{"to web /?status=503"}},
		[]row{{"404 passes", "GET http://codes.test/?status=404", nil, "", []string{"404", "to web /?status=404"}}},
	},
	{
		"1.6 disable-proxy-intercept-errors: false", "codes.yaml", suiteCodes("custom-http-errors: 404", "disable-proxy-intercept-errors: false"),
		row{"", "GET http://codes.test/?status=404", nil, "", []string{"200", "to pages /", "sent X-Code: 404", "sent X-Service-Name: web"}}, nil,
	},
	{
		"1.4 satisfy: any", "satisfy.yaml", suiteSatisfy("any"),
		row{"", "GET http://satisfy.test/", nil, "", []string{"200"}}, nil,
	},
	{
		"1.4 satisfy: all", "satisfy.yaml", suiteSatisfy("all"),
		row{"", "GET http://satisfy.test/", nil, "", []string{"401"}},
		[]row{{"both", "GET http://satisfy.test/", []string{annSecret}, "", []string{"200"}}},
	},
	{
		"4.5 auth-tls-verify-client: off", "tls.yaml", suiteTLS("off"),
		row{"", "GET https://tls.test/", nil, "", []string{"200"}}, nil,
	},
	{
		"4.5 auth-tls-verify-client: on", "tls.yaml", suiteTLS("on"),
		row{"", "GET https://tls.test/", nil, "", []string{"400"}}, nil,
	},
}

// TestRulesOfTheSuiteInChange: annotations that change while the instance runs,
// as ingress-nginx's suite changes them.
func TestRulesOfTheSuiteInChange(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t, "ours")
	d := instance{Instance: up(t, map[string]string{
		"apps.yaml": users + ours.secret("ca") + backends(t, "web", speaker("web")) + backends(t, "next", speaker("next")) + backends(t, "sticky", numbered("sticky", 2)...) + backends(t, "soft", pageMaker(true)),
		"main.yaml": site("main", "canary.test", nil, "/ Prefix web"), "canary.yaml": suiteCanary("CanaryByHeader"),
		"named.yaml": suiteNamed("SERVERID"), "codes.yaml": suiteCodes("custom-http-errors: 404,500"), "satisfy.yaml": suiteSatisfy("all"), "tls.yaml": suiteTLS("on"),
	})}
	for _, step := range suiteSteps {
		if step.text == "" {
			d.Remove(step.file)
		} else {
			d.Write(step.file, step.text)
		}
		d.turns(t, step.rule, step.turn)
		for _, r := range step.rows {
			r.rule = step.rule + ": " + r.rule
			d.check(t, []row{r})
		}
	}
	d.renames(t)
}

// turns waits until a row is as wanted.
func (d instance) turns(t *testing.T, rule string, r row) {
	t.Helper()
	d.Eventually(30*time.Second, rule, func() error {
		o, err := d.ask(r.ask, r.fields, r.body)
		if err != nil {
			return err
		}
		for _, w := range r.want {
			if got, ok := o.is(w); !ok {
				return fmt.Errorf("want %s, got %s", w, got)
			}
		}
		return nil
	})
}

// renames changes the name of the cookie of affinity.
func (d instance) renames(t *testing.T) {
	t.Helper()
	if _, cookie := d.tell(t, "GET http://named.test/"); !strings.HasPrefix(cookie, "SERVERID=") {
		t.Errorf("1.3 session-cookie-name: %q", cookie)
	}
	d.Write("named.yaml", suiteNamed("OTHERCOOKIENAME"))
	d.Eventually(30*time.Second, "1.3 session-cookie-name changes", func() error {
		if _, cookie := d.tell(t, "GET http://named.test/"); !strings.HasPrefix(cookie, "OTHERCOOKIENAME=") {
			return fmt.Errorf("cookie %q", cookie)
		}
		return nil
	})
}
