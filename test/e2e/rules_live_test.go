package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"daemun/internal/daemuntest"
)

// TestRulesOfLiveCertificates: a certificate comes with its Secret, changes with
// it, and goes with it and with spec.tls, while connections go on.
func TestRulesOfLiveCertificates(t *testing.T) {
	t.Parallel()
	d := rulesUp(t, nil, backends(t, "web", speaker("web")))
	const own = "Kubernetes Ingress Controller Fake Certificate"
	shows := func(name, want string) {
		t.Helper()
		d.Eventually(20*time.Second, "the certificate of "+name, func() error {
			if got := d.certificateOf(t, name).Subject.CommonName; got != want {
				return fmt.Errorf("%q, want %q", got, want)
			}
			return nil
		})
	}
	answers := func(ask, want string) {
		t.Helper()
		d.Eventually(20*time.Second, ask, func() error {
			o, err := d.ask(ask, nil, "")
			if err == nil && fmt.Sprint(o.StatusCode) != want {
				err = errors.New(o.Status)
			}
			return err
		})
	}
	d.Write("web.yaml", site("web", "foo.test", nil, "/ Prefix web"))
	answers("GET http://foo.test/", "200")
	d.Write("web.yaml", site("web", "foo.test!foo", nil, "/ Prefix web")) // spec.tls comes, its Secret is not there
	answers("GET http://foo.test/", "308")
	shows("foo.test", own)
	answers("GET https://foo.test/", "200")
	d.Write("secret.yaml", daemuntest.TLSSecret(t, "foo", "foo.test", "first"))
	shows("foo.test", "first")
	shows("foo.test.", "first") // as a fully qualified name
	answers("GET https://foo.test./", "200")
	d.Write("secret.yaml", daemuntest.TLSSecret(t, "foo", "foo.test", "second"))
	shows("foo.test", "second")
	d.Remove("secret.yaml")
	shows("foo.test", own)
	d.Write("secret.yaml", daemuntest.TLSSecret(t, "foo", "foo.test", "third"))
	shows("foo.test", "third")
	d.Write("web.yaml", site("web", "foo2.test!foo", nil, "/ Prefix web")) // another host, which the certificate does not cover
	answers("GET https://foo2.test/", "200")
	shows("foo2.test", own)
	d.Write("web.yaml", site("web", "foo.test", nil, "/ Prefix web"))
	answers("GET http://foo.test/", "200")
	shows("foo.test", own)
}

// TestRulesOfMetrics: each Service has series of its own, though they share a
// path, and hosts of no Ingress have none.
func TestRulesOfMetrics(t *testing.T) {
	t.Parallel()
	d := rulesUp(t, nil, backends(t, "web", speaker("web")), backends(t, "other", speaker("other")),
		site("paths", "foo.test", nil, "/path Prefix web", "/path Exact other"))
	d.check(t, []row{
		{"metrics: a path", "GET http://foo.test/path/below", nil, "", []string{"200", "to web /path/below"}},
		{"metrics: the same path, exactly", "GET http://foo.test/path", nil, "", []string{"200", "to other /path"}},
		{"metrics: no host", "GET http://wildcard.foo.test/", nil, "", []string{"404"}},
	})
	requests := regexp.MustCompile(`(?m)^nginx_ingress_controller_requests\{.*\} [0-9]+$`)
	d.Eventually(20*time.Second, "series", func() error {
		res, err := http.Get("http://" + d.Admin + "/metrics")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		page, err := io.ReadAll(res.Body)
		if err != nil {
			return err
		}
		counted := map[string]int{}
		for _, line := range requests.FindAllString(string(page), -1) {
			for _, label := range []string{`service="web"`, `service="other"`, `host="wildcard.foo.test"`, `host="_"`} {
				if strings.Contains(line, label) && strings.Contains(line, `status="`) {
					counted[label]++
				}
			}
		}
		if got := fmt.Sprint(counted); got != `map[service="other":1 service="web":1]` {
			return errors.New(got)
		}
		return nil
	})
}
