package waf

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"daemun/internal/policy"
)

func fields(pairs ...string) policy.HeadFields {
	return func(yield func(name, value string) bool) {
		for i := 0; i < len(pairs); i += 2 {
			if !yield(pairs[i], pairs[i+1]) {
				return
			}
		}
	}
}

func subject(target string, pairs ...string) *policy.Subject {
	return &policy.Subject{
		ID: "tx-1", Client: netip.MustParseAddrPort("192.0.2.7:4000"), Server: netip.MustParseAddrPort("192.0.2.1:80"),
		Method: "GET", Target: target, Protocol: "HTTP/1.1", Host: "a.test",
		Fields: fields(append([]string{"Host", "a.test", "User-Agent", "t/1", "Accept", "*/*"}, pairs...)...),
	}
}

func rules(t *testing.T, s *Store, text string) policy.Rules {
	t.Helper()
	if err := s.Check(text); err != nil {
		t.Fatal(err)
	}
	return s.Rules(text)
}

func store() *Store { return New(slog.New(slog.DiscardHandler)) }

// judge runs a request with a body, and its response, through rules.
func judge(r policy.Rules, s *policy.Subject, body, response string) (phase int, found policy.Ruling) {
	i, found := r.Inspect(s)
	defer i.Close()
	if found.Status != 0 {
		return 1, found
	}
	if found = i.Body([]byte(body)); found.Status != 0 {
		return 2, found
	}
	if found = i.Response(200, fields("Content-Type", "text/html")); found.Status != 0 {
		return 3, found
	}
	if i.ResponseLimit() > 0 {
		if found = i.ResponseBody([]byte(response)); found.Status != 0 {
			return 4, found
		}
	}
	return 0, found
}

// TestPhases: each phase can refuse, with the status of the rule.
func TestPhases(t *testing.T) {
	t.Parallel()
	const on = "SecRuleEngine On\nSecRequestBodyAccess On\nSecResponseBodyAccess On\nSecResponseBodyMimeType text/html\n"
	s := store()
	for name, c := range map[string]struct {
		rule, target, body, response string
		phase                        int
		want                         policy.Ruling
	}{
		"nothing":       {`SecRule ARGS:a "@streq x" "id:1,phase:1,deny"`, "/?a=y", "", "", 0, policy.Ruling{}},
		"head":          {`SecRule ARGS:a "@streq x" "id:1,phase:1,deny,status:406"`, "/?a=x", "", "", 1, policy.Ruling{Status: 406}},
		"default":       {`SecRule ARGS:a "@streq x" "id:1,phase:1,deny"`, "/?a=x", "", "", 1, policy.Ruling{Status: 403}},
		"drop":          {`SecRule ARGS:a "@streq x" "id:1,phase:1,drop"`, "/?a=x", "", "", 1, policy.Ruling{Status: 403}},
		"redirect":      {`SecRule ARGS:a "@streq x" "id:1,phase:1,redirect:http://b.test/"`, "/?a=x", "", "", 1, policy.Ruling{Status: 302, Location: "http://b.test/"}},
		"body":          {`SecRule REQUEST_BODY "@contains evil" "id:1,phase:2,deny,status:422"`, "/", "a=evil", "", 2, policy.Ruling{Status: 422}},
		"response head": {`SecRule RESPONSE_STATUS "@eq 200" "id:1,phase:3,deny,status:502"`, "/", "", "", 3, policy.Ruling{Status: 502}},
		"response body": {`SecRule RESPONSE_BODY "@contains ORA-" "id:1,phase:4,deny,status:500"`, "/", "", "ORA-1", 4, policy.Ruling{Status: 500}},
	} {
		req := subject(c.target, "Content-Type", "application/x-www-form-urlencoded")
		phase, got := judge(rules(t, s, on+c.rule), req, c.body, c.response)
		if phase != c.phase || got != c.want {
			t.Errorf("%s: phase %d, %+v", name, phase, got)
		}
	}
}

// TestBrokenRules: what is wrong is told by its line.
func TestBrokenRules(t *testing.T) {
	t.Parallel()
	s := store()
	for text, want := range map[string]string{
		"SecRuleEngine On\n\n# a comment\nSecRule ARGS \"@nothing x\" \"id:1\"":    "line 4: ",
		"SecRuleEngine On\nSecRule ARGS \\\n  \"@rx (\" \\\n  \"id:1,phase:1\"":    "line 2: ",
		"SecRule ARGS \"@rx a\" \"id:1,phase:1\"\nSecRule ARGS \"@rx b\" \"id:1\"": "line 2: ",
		"Include /etc/passwd":                           `line 1: "/etc/passwd" cannot be included`,
		"SecFoo On":                                     `line 1: "SecFoo" is no directive`,
		"SecRemoteRules key https://x.test":             `line 1: "SecRemoteRules" is no directive`,
		`SecRule FILES "@inspectFile /bin/x" "id:1"`:    `line 1: "@inspectFile" reaches`,
		`SecRule ARGS "@pmFromFile /etc/passwd" "id:1"`: `line 1: "@pmFromFile" reaches`,
		`SecAction "id:1,phase:1,exec:/bin/x"`:          `line 1: "exec:" reaches`,
		`SecAction "id:1,phase:1,setenv:PATH=x"`:        `line 1: "setenv:" reaches`,
		`SecAction setenv:a=b`:                          `line 1: "setenv:" reaches`,
		"SecRequestBodyLimit 999999999999":              `line 1: "999999999999" is no limit`,
		"SecAction \"id:1\" `\nexec:x\n`":               "line 1: holds a backquote",
		"SecRule ARGS " + strings.Repeat("x", maxLine):  "line 1: the directive is longer",
		"SecRuleEngine Perhaps":                         "line 1: ",
	} {
		err := s.Check(text)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", text, err)
		}
		if s.Rules(text) != nil {
			t.Errorf("%q can be used", text)
		}
	}
}

// TestDetectionOnly: that is what rules do which do not say more, and the
// recommended settings.
func TestDetectionOnly(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := New(slog.New(slog.NewTextHandler(&out, nil)))
	const rule = `SecRule ARGS:a "@streq x" "id:77,phase:1,deny,log,msg:'found it'"`
	for _, text := range []string{rule, "Include @coraza.conf-recommended\n" + rule, "Include /etc/nginx/modsecurity/modsecurity.conf\n" + rule} {
		out.Reset()
		if phase, got := judge(rules(t, s, text), subject("/?a=x"), "", ""); phase != 0 {
			t.Errorf("phase %d, %+v", phase, got)
		}
		if log := out.String(); !strings.Contains(log, `rule=77 message="found it"`) || !strings.Contains(log, "transaction=tx-1") || !strings.Contains(log, "client=192.0.2.7") {
			t.Errorf("logged %s", log)
		}
	}
}

// TestCoreRules: the rules of OWASP refuse an injection, and let a plain request
// pass, by the names that ingress-nginx's image has for them, and though a set
// is asked for twice.
func TestCoreRules(t *testing.T) {
	t.Parallel()
	s := store()
	for _, text := range []string{
		"Include @coraza.conf-recommended\nSecRuleEngine On\nInclude @crs-setup.conf.example\nInclude @owasp_crs/*.conf",
		"SecRuleEngine On\nSecRequestBodyAccess On\nSecAuditLog /dev/stdout\nInclude /etc/nginx/owasp-modsecurity-crs/nginx-modsecurity.conf",
		"Include @coraza.conf-recommended\nSecRuleEngine On\nInclude /etc/nginx/owasp-modsecurity-crs/nginx-modsecurity.conf\n" +
			"Include /etc/nginx/modsecurity/modsecurity.conf\nInclude @crs-setup.conf.example\nInclude @owasp_crs/*.conf",
	} {
		r := rules(t, s, text)
		if phase, got := judge(r, subject("/hello?a=1"), "", "fine"); phase != 0 {
			t.Errorf("a plain request: phase %d, %+v", phase, got)
		}
		if phase, got := judge(r, subject("/?id=1%27%20or%20%271%27=%271%27--%20-"), "", ""); phase == 0 || got.Status != 403 {
			t.Errorf("an injection: phase %d, %+v", phase, got)
		}
	}
}

// TestSharing: one text has one set of rules, and many texts do not stay for
// ever.
func TestSharing(t *testing.T) {
	t.Parallel()
	s := store()
	const text = "SecRuleEngine On"
	first := rules(t, s, text)
	if rules(t, s, text) != first {
		t.Error("the same text was made twice")
	}
	for i := range 2 * maxKept {
		_ = s.Check(strings.Repeat("#\n", i+1))
	}
	if len(s.known) > maxKept {
		t.Errorf("%d texts are known", len(s.known))
	}
}

// TestBodyLimits: the bounds of bodies are those of the text, and 0 where rules
// do not look at them.
func TestBodyLimits(t *testing.T) {
	t.Parallel()
	s := store()
	for text, want := range map[string]int{
		"SecRuleEngine On\nSecRequestBodyAccess On":                          defaultBodyLimit,
		"SecRuleEngine On\nSecRequestBodyAccess On\nSecRequestBodyLimit 100": 100,
		"SecRuleEngine On\nSecRequestBodyAccess Off":                         0,
		"SecRuleEngine Off\nSecRequestBodyAccess On":                         0,
		"Include @coraza.conf-recommended\nSecRequestBodyInMemoryLimit 1":    13107200,
		"Include @coraza.conf-recommended\nInclude @owasp_crs":               defaultFormLimit + 1,
		"SecRequestBodyAccess On\nInclude @owasp_crs":                        defaultFormLimit + 1,
		"SecRequestBodyAccess On\nSecRequestBodyLimit 5\nInclude @owasp_crs": 5,
		"SecRequestBodyAccess On\nSecRequestBodyNoFilesLimit 99":             100,
	} {
		i, _ := rules(t, s, text).Inspect(subject("/"))
		if got := i.BodyLimit(); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
		i.Close()
	}
	r := rules(t, s, "SecRuleEngine On\nSecRequestBodyAccess On\nSecRequestBodyLimit 10\nSecRequestBodyLimitAction Reject")
	if phase, got := judge(r, subject("/"), strings.Repeat("x", 10), ""); phase != 2 || got.Status != 413 {
		t.Errorf("phase %d, %+v", phase, got)
	}
}

// TestLogIsBounded: clients decide how many findings there are, not how many
// lines.
func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	var s sayings
	logged, now := 0, time.Unix(1000, 0)
	for range 10 * maxSayings {
		if ok, _ := s.may(now); ok {
			logged++
		}
	}
	if logged != maxSayings {
		t.Errorf("%d lines", logged)
	}
	if ok, missed := s.may(now.Add(time.Second)); !ok || missed != 9*maxSayings {
		t.Errorf("%v, %d missed", ok, missed)
	}
}

// FuzzPrepare: no text of an Ingress breaks the reader, and what is passed on
// holds no directive but the known ones.
func FuzzPrepare(f *testing.F) {
	f.Add("SecRule ARGS \\\n \"@rx a\" \"id:1\"\nInclude @owasp_crs")
	f.Add("#\n\\\nSecAction \"exec:x\"")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := prepare(text, "SecRuleEngine On")
		if err != nil {
			return
		}
		for _, l := range directives(p.upTo(len(p.lines))) {
			name, _, _ := strings.Cut(l.text, " ")
			if uses[strings.ToLower(name)] != passed && l.text != includeSetup && l.text != includeRules && name != "SecAuditEngine" {
				t.Errorf("%q passes", l.text)
			}
		}
	})
}
