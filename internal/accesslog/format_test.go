package accesslog

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"daemun/internal/variable"
)

// source answers with the name of what it is asked for.
type source map[variable.ID]string

func (s source) AppendVariable(b []byte, id variable.ID, arg string) []byte {
	if v, ok := s[id]; ok {
		return append(append(b, v...), arg...)
	}
	return b
}

// TestFormats pins what a format makes of an entry: literals, values of the
// entry, values of the source, and what stands for none in each way of
// escaping.
func TestFormats(t *testing.T) {
	t.Parallel()
	e := ordinary()
	e.UserAgent = []byte("a\"b\\c\td\x01é")
	e.Attempts = []Attempt{
		{Addr: "10.0.0.1:80", Status: 502, ResponseTime: 5 * time.Millisecond},
		{Addr: "10.0.0.2:80", Status: 200, Connected: true, ConnectTime: time.Millisecond, HeaderTime: 2 * time.Millisecond, ResponseTime: 3 * time.Millisecond, ResponseLength: 7, BytesSent: 80, BytesReceived: 107},
	}
	e.Source = source{variable.Host: "a.test", variable.Cookie: "c-", variable.SentField: "s-", variable.Scheme: "https"}
	for _, tt := range []struct {
		format string
		escape Escape
		want   string
	}{
		{"$host ${scheme}x$cookie_ab $sent_http_x_id", EscapeDefault, "a.test httpsxc-ab s-x_id"},
		{"$http_user_agent", EscapeDefault, `a\x22b\x5Cc\x09d\x01\xC3\xA9`},
		{"$http_user_agent", EscapeJSON, `a\"b\\c\td\u0001é`},
		{"$http_user_agent", EscapeNone, "a\"b\\c\td\\x01é"},
		{"[$args][$http_x][$namespace][$gzip_ratio]", EscapeDefault, "[-][-][][-]"},
		{"[$args][$http_x][$namespace][$gzip_ratio]", EscapeJSON, "[][][][]"},
		{"$nothing $", EscapeDefault, "- $"},
		{"$time_iso8601 $msec", EscapeDefault, "2026-03-09T12:00:00+00:00 1773057600.999"},
		{"$upstream_connect_time|$upstream_header_time|$upstream_bytes_sent|$upstream_bytes_received", EscapeDefault, "-, 0.001|-, 0.002|0, 80|0, 107"},
		{`{"a": "$status",\n"b": \"$host\"}`, EscapeJSON, "{\"a\": \"200\",\n\"b\": \"a.test\"}"},
		{"$pid", EscapeDefault, fmt.Sprint(os.Getpid())},
	} {
		l := New(Config{Location: time.UTC})
		l.Use(Settings{Format: tt.format, Escape: tt.escape})
		if got := line(l, e); got != tt.want+"\n" {
			t.Errorf("%s %s:\n got %q\nwant %q", tt.format, tt.escape, got, tt.want)
		}
	}
}

// TestSkips: exact request URIs whatever their case, and expressions.
func TestSkips(t *testing.T) {
	l := New(Config{})
	if l.Skips([]byte("/healthz")) {
		t.Error("skips without being told to")
	}
	l.Use(Settings{Skip: []string{"/Healthz", "~^/static/", "~*\\.PNG$", "~("}})
	for uri, want := range map[string]bool{
		"/healthz": true, "/HEALTHZ": true, "/healthz?a": false, "/healthz/": false, "/static/a": true, "/Static/a": false, "/x.png": true, "/": false,
	} {
		if got := l.Skips([]byte(uri)); got != want {
			t.Errorf("%s: %v", uri, got)
		}
	}
	l.Use(Settings{Skip: []string{"/Healthz"}}) // expressions have pools, which the race detector empties
	uri := []byte("/some/path/of/a/request")
	if n := testing.AllocsPerRun(100, func() { l.Skips(uri) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSessions(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	l := New(Config{Writer: r, Location: time.UTC})
	s := &Session{
		End: noon, Duration: 1500 * time.Millisecond, Client: netip.MustParseAddrPort("203.0.113.9:4000"), Server: netip.MustParseAddrPort("192.0.2.1:5432"),
		Protocol: "TCP", Status: 200, BytesSent: 10, BytesReceived: 20, UpstreamName: "tcp-db-pg-5432", Endpoint: netip.MustParseAddrPort("10.0.0.1:5432"),
	}
	l.LogSession(s)
	l.Use(Settings{StreamFormat: "$remote_addr:$remote_port $server_addr:$server_port $proxy_upstream_name $upstream_addr $upstream_bytes_sent $upstream_session_time $http_x"})
	l.LogSession(s)
	l.Use(Settings{StreamOff: true})
	l.LogSession(s)
	stop := run(l)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	want := "[203.0.113.9] [09/Mar/2026:12:00:00 +0000] TCP 200 10 20 1.500\n" +
		"203.0.113.9:4000 192.0.2.1:5432 tcp-db-pg-5432 10.0.0.1:5432 20 1.500 -\n"
	if d := cmp.Diff(want, r.text.String()); d != "" {
		t.Error(d)
	}
}

// FuzzFormat: every format makes one line, and one that is JSON stays JSON
// whatever the values are.
func FuzzFormat(f *testing.F) {
	f.Add("$host ${x} $", []byte("a\nb"), uint8(0))
	f.Add(`$request_id\n$http_a`, []byte("\xff\"\\"), uint8(1))
	f.Fuzz(func(t *testing.T, format string, value []byte, how uint8) {
		escape := [...]Escape{EscapeDefault, EscapeJSON, EscapeNone}[how%3]
		e := ordinary()
		e.UserAgent, e.Source = value, source{variable.Host: string(value)}
		l := New(Config{})
		l.Use(Settings{Format: format, Escape: escape})
		if got := line(l, e); strings.Count(got, "\n") != 1+strings.Count(literals(format), "\n") {
			t.Fatalf("%q", got)
		}
		l.Use(Settings{Format: `{"a":"$http_user_agent","b":"$host"}`, Escape: EscapeJSON})
		if got := line(l, e); !json.Valid([]byte(got)) {
			t.Fatalf("no JSON: %q", got)
		}
	})
}

func literals(format string) (text string) {
	parsed, _, _ := variable.ParseLog(Unquote(format))
	parsed.Parts(func(_ variable.ID, literal, _ string) { text += literal })
	return text
}
