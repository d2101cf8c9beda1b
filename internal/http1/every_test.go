package http1

import (
	"fmt"
	"strings"
	"testing"
)

// outcome is what Parse made of some octets, as text: "incomplete", the
// refusal ("400 bare-lf H1.1"), or what was read.

func requestOutcome(r *Request, n int, err error) string {
	if err != nil {
		return errorOutcome(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s form=%d path=%q query=%q,%v authority=%q scheme=%q 1.%d body=%d,%d keep=%v expect=%v upgrade=%q n=%d",
		r.Method, r.Form, r.Path, r.Query, r.HasQuery, r.Authority, r.Scheme, r.Minor, r.Body, r.ContentLength, r.KeepAlive,
		r.ExpectContinue, r.Upgrade, n)
	dumpFields(&b, r.Fields)
	return b.String()
}

func responseOutcome(r *Response, n int, err error) string {
	if err != nil {
		return errorOutcome(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d %q 1.%d body=%d,%d keep=%v upgrade=%q n=%d", r.Status, r.Phrase, r.Minor, r.Body, r.ContentLength, r.KeepAlive, r.Upgrade, n)
	dumpFields(&b, r.Fields)
	return b.String()
}

func dumpFields(b *strings.Builder, fields []Field) {
	for _, f := range fields {
		fmt.Fprintf(b, "\n%s(%s)=%q", f.Name, f.ID, f.Value)
		if f.Hop {
			b.WriteString(" hop")
		}
	}
}

func errorOutcome(err error) string {
	if e, ok := err.(*Error); ok {
		return fmt.Sprintf("%d %s %s", e.Status, e.Reason, e.Rule)
	}
	if err == ErrIncomplete {
		return "incomplete"
	}
	return err.Error()
}

// everyWay parses in whole, byte by byte in one buffer, byte by byte in a
// buffer that moves each time, and cut in two at each place; all must have the
// same outcome, which it returns (H1.16).
func everyWay(t *testing.T, in string, parse func() func(b []byte) string) string {
	t.Helper()
	whole := parse()([]byte(in))
	check := func(how string, pieces func(yield func([]byte) bool)) {
		t.Helper()
		step, got := parse(), "incomplete"
		for b := range pieces {
			if got = step(b); got != "incomplete" {
				break
			}
		}
		if got != whole {
			t.Fatalf("%q\n%s: %s\nwhole: %s", clip(in), how, got, whole)
		}
	}
	check("byte-wise", func(yield func([]byte) bool) {
		b := []byte(in)
		for n := 0; n <= len(b) && yield(b[:n]); n++ {
		}
	})
	if len(in) > 2000 {
		return whole
	}
	check("byte-wise, moving", func(yield func([]byte) bool) {
		for n := 0; n <= len(in) && yield([]byte(in[:n])); n++ {
		}
	})
	for cut := range len(in) {
		check(fmt.Sprint("cut at ", cut), func(yield func([]byte) bool) {
			_ = yield([]byte(in[:cut])) && yield([]byte(in))
		})
	}
	return whole
}

func clip(s string) string {
	if len(s) > 300 {
		return s[:150] + "…" + s[len(s)-150:]
	}
	return s
}

func readRequest(t *testing.T, in string, lim Limits) string {
	t.Helper()
	return everyWay(t, in, func() func([]byte) string {
		r := new(Request)
		return func(b []byte) string {
			n, err := r.Parse(b, &lim)
			return requestOutcome(r, n, err)
		}
	})
}

func readResponse(t *testing.T, in string, lim Limits, forHEAD bool) string {
	t.Helper()
	return everyWay(t, in, func() func([]byte) string {
		r := new(Response)
		return func(b []byte) string {
			n, err := r.Parse(b, &lim, forHEAD)
			return responseOutcome(r, n, err)
		}
	})
}

// requestCase is one line of a rule's table. want is a Reason, or reasonNone
// and the text says what the outcome must hold.
type requestCase struct {
	in   string
	want Reason
	text string
}

// testRequests checks the cases of one rule. In them "^" stands for CRLF; a
// case without a line end gets "^Host: a^^" appended if it starts with a
// request line, see get and field.
func testRequests(t *testing.T, cases []requestCase) {
	t.Helper()
	t.Parallel()
	testRequestsWith(t, RequestLimits(), cases)
}

func testRequestsWith(t *testing.T, lim Limits, cases []requestCase) {
	t.Helper()
	for _, c := range cases {
		in := strings.ReplaceAll(c.in, "^", "\r\n")
		got := readRequest(t, in, lim)
		want := c.text
		if c.want != reasonNone {
			e := requestErrors[c.want]
			want = fmt.Sprintf("%d %s %s", e.Status, e.Reason, e.Rule)
			if got != want {
				t.Errorf("%q\ngot  %s\nwant %s", clip(in), got, want)
			}
			continue
		}
		if got == "incomplete" && want == "incomplete" {
			continue
		}
		if got == "incomplete" || strings.HasPrefix(got, "4") || strings.HasPrefix(got, "5") || !strings.Contains(got, want) {
			t.Errorf("%q\ngot  %s\nwant it to hold %s", clip(in), got, want)
		}
	}
}

// line makes a request of a request line, field one of a field line or several.
func line(l string) string  { return l + "^Host: a^^" }
func field(f string) string { return "GET / HTTP/1.1^Host: a^" + f + "^^" }
func post(f string) string  { return "POST / HTTP/1.1^Host: a^" + f + "^^" }
