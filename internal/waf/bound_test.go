package waf

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"daemun/internal/policy"
)

const withCore = "Include @coraza.conf-recommended\nInclude @crs-setup.conf.example\nInclude @owasp_crs/*.conf\n"

func posting(contentType string) *policy.Subject {
	s := subject("/", "Content-Type", contentType)
	s.Method = "POST"
	return s
}

// form is a body with one field, and one file, of so many octets.
func form(field, file int) string {
	return "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n" + strings.Repeat("x", field) +
		"\r\n--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f.bin\"\r\n\r\n" + strings.Repeat("y", file) + "\r\n--b--\r\n"
}

// TestFormLimit: with the core rules a body that is no file is small, unless the
// text says otherwise.
func TestFormLimit(t *testing.T) {
	t.Parallel()
	const urlencoded, multi = "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"
	const rule = "SecRule REQUEST_BODY_LENGTH \"@gt 100\" \"id:1,phase:2,deny,status:418\"\n"
	s := store()
	for name, c := range map[string]struct {
		text, media, body string
		status            int
	}{
		"at the limit":     {withCore + "SecRuleEngine On", urlencoded, "a=" + strings.Repeat("x", defaultFormLimit-2), 0},
		"over it":          {withCore + "SecRuleEngine On", urlencoded, "a=" + strings.Repeat("x", defaultFormLimit-1), 413},
		"watching":         {withCore, urlencoded, "a=" + strings.Repeat("x", defaultFormLimit), 0},
		"large file":       {withCore + "SecRuleEngine On", multi, form(10, 2*defaultFormLimit), 0},
		"large field":      {withCore + "SecRuleEngine On", multi, form(defaultFormLimit, 10), 413},
		"no type":          {withCore + "SecRuleEngine On", "", form(10, 2*defaultFormLimit), 413},
		"own limit":        {"SecRuleEngine On\nSecRequestBodyAccess On\nSecRequestBodyNoFilesLimit 10", urlencoded, "a=123456789", 413},
		"own limit, part":  {"SecRuleEngine On\nSecRequestBodyAccess On\nSecRequestBodyNoFilesLimit 10\nSecRequestBodyLimitAction ProcessPartial\n" + rule, urlencoded, "a=" + strings.Repeat("x", 200), 0},
		"no core rules":    {"SecRuleEngine On\nSecRequestBodyAccess On\n" + rule, urlencoded, "a=" + strings.Repeat("x", defaultFormLimit), 418},
		"boundary missing": {withCore + "SecRuleEngine On", "multipart/form-data", form(10, 2*defaultFormLimit), 413},
	} {
		if _, got := judge(rules(t, s, c.text), posting(c.media), c.body, ""); got.Status != c.status {
			t.Errorf("%s: %d, want %d", name, got.Status, c.status)
		}
	}
}

// TestTurns: what finds no turn in time gets 503 and is counted, and a turn that
// has ended is another's.
func TestTurns(t *testing.T) {
	t.Parallel()
	s := store()
	s.turns = newTurns(1, time.Nanosecond)
	r := rules(t, s, "SecRuleEngine On\nSecRequestBodyAccess On")
	if !s.turns.take() {
		t.Fatal("no turn")
	}
	if phase, got := judge(r, subject("/"), "", ""); phase != 1 || got.Status != 503 {
		t.Errorf("phase %d, %+v", phase, got)
	}
	i, _ := r.Inspect(subject("/"))
	if got := i.Response(200, fields()); got.Status != 0 {
		t.Errorf("the head of a response waits: %+v", got)
	}
	i.Close()
	s.turns.give()
	if phase, got := judge(r, subject("/"), "a=1", ""); phase != 0 {
		t.Errorf("phase %d, %+v", phase, got)
	}
	if n := s.TurnedAway(); n != 2 {
		t.Errorf("%d were turned away", n)
	}
	s.turns.waiting.Store(maxWaiting)
	s.turns.wait = time.Hour
	s.turns.take()
	if s.turns.take() || s.turns.waiting.Load() != maxWaiting {
		t.Error("one too many waits")
	}
}

// TestTurnsPass: who waits gets the turn that another gives.
func TestTurnsPass(t *testing.T) {
	t.Parallel()
	turns := newTurns(1, time.Hour)
	turns.take()
	got := make(chan bool)
	go func() { got <- turns.take() }()
	turns.give()
	if !<-got {
		t.Error("no turn")
	}
}

// BenchmarkForm is what the core rules cost by the length of a form, with many
// fields, which cost the most.
func BenchmarkForm(b *testing.B) {
	s := store()
	r := s.Rules(withCore + "SecRequestBodyLimit 1000000")
	for _, length := range []int{16 << 10, 64 << 10, 128 << 10} {
		const fields = 900
		body := strings.Repeat("f="+strings.Repeat("or+1", (length/fields-3)/4)+"&", fields)
		b.Run(strconv.Itoa(length), func(b *testing.B) {
			for b.Loop() {
				judge(r, posting("application/x-www-form-urlencoded"), body, "")
			}
		})
	}
}

// FuzzWithoutFiles: whatever a client sends, no more than the body is counted.
func FuzzWithoutFiles(f *testing.F) {
	f.Add([]byte(form(3, 5)), "multipart/form-data; boundary=b")
	f.Add([]byte("--b"), "multipart/form-data; boundary=")
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		if n := withoutFiles(body, contentType); n < 0 || n > len(body) {
			t.Errorf("%d of %d", n, len(body))
		}
	})
}
