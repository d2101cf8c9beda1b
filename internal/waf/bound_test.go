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
	if !s.turns.take("") {
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
	if s.turns.running != 0 || s.turns.waiting != 0 || len(s.turns.groups) != 0 {
		t.Errorf("something is left: %d run, %d wait", s.turns.running, s.turns.waiting)
	}
}

// queued is one who waits, or the failure of the test.
func queued(t *testing.T, turns *turns, name string) chan bool {
	t.Helper()
	mine := turns.enter(name)
	if mine == nil {
		t.Fatalf("%s found a turn", name)
	}
	return mine
}

// TestTurnsPass: who waits gets the turn that another gives, in the order of
// coming within a group.
func TestTurnsPass(t *testing.T) {
	t.Parallel()
	turns := newTurns(1, time.Hour)
	turns.take("")
	first, second := queued(t, turns, ""), queued(t, turns, "")
	turns.give()
	if !<-first || len(second) > 0 {
		t.Error("no turn, or one too many")
	}
	got := make(chan bool)
	go func() { got <- turns.take("") }()
	turns.give()
	turns.give()
	if !<-second || !<-got {
		t.Error("no turn")
	}
}

// TestTurnsGoRound: a group that sends a thousand has every second turn while
// another waits, and no more than its share of the room.
func TestTurnsGoRound(t *testing.T) {
	t.Parallel()
	turns := newTurns(1, time.Hour)
	turns.take("flooded")
	var flood []chan bool
	for range maxWaiting {
		flood = append(flood, queued(t, turns, "flooded"))
	}
	if got := <-queued(t, turns, "flooded"); got {
		t.Error("one too many of the longest group has a turn")
	}
	one, two := queued(t, turns, "other"), queued(t, turns, "other")
	for i := range 2 {
		if got := <-flood[maxWaiting-1-i]; got {
			t.Error("who came last to the longest group has a turn")
		}
	}
	for at, wants := range []chan bool{flood[0], one, flood[1], two, flood[2], flood[3]} {
		turns.give()
		if len(wants) != 1 || !<-wants {
			t.Errorf("turn %d is another's", at)
		}
	}
	if n := turns.refused.Load(); n != 3 {
		t.Errorf("%d were turned away", n)
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
