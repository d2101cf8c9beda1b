package accesslog

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"daemun/internal/variable"
)

// DefaultFormat is ingress-nginx's log-format-upstream (spec §10.1).
const DefaultFormat = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" ` +
	`"$http_user_agent" $request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] ` +
	`$upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id`

// DefaultStreamFormat is ingress-nginx's log-format-stream.
const DefaultStreamFormat = `[$remote_addr] [$time_local] $protocol $status $bytes_sent $bytes_received $session_time`

// Escape says how values are written that come from outside.
type Escape string

// The ways, as nginx has them: \xHH for what could end a field or a line, the
// escapes of a JSON string, and none (controls are still made visible: one
// request is one line).
const (
	EscapeDefault Escape = ""
	EscapeJSON    Escape = "json"
	EscapeNone    Escape = "none"
)

// Settings may change while the log runs.
type Settings struct {
	// Format and StreamFormat are texts with variables; empty is the default.
	Format, StreamFormat string
	// Escape is that of Format.
	Escape Escape
	// Skip are request URIs that write no line: exact ones, whatever their
	// case, or expressions after "~" and "~*".
	Skip []string
	// Off and StreamOff write no lines of requests, and of sessions.
	Off, StreamOff bool
}

// settings are compiled Settings. They are never written after compile.
type settings struct {
	Settings
	lines   template
	streams template
	// captured are the variables that must be kept while a response passes.
	captured []Captured
	skip     map[string]bool // lower case
	patterns []*regexp.Regexp
}

// Captured is a field of a response, or a cookie, that a format wants.
type Captured struct {
	ID  variable.ID
	Arg string
}

// Use changes the settings. What does not compile in Skip is left out:
// translation has said so.
func (l *Log) Use(s Settings) {
	l.settings.Store(compileSettings(s))
}

func compileSettings(s Settings) *settings {
	if s.Format == "" {
		s.Format = DefaultFormat
	}
	if s.StreamFormat == "" {
		s.StreamFormat = DefaultStreamFormat
	}
	c := &settings{Settings: s, skip: map[string]bool{}}
	c.lines, c.captured = compile(s.Format, s.Escape)
	c.streams, _ = compile(s.StreamFormat, EscapeDefault)
	for _, uri := range s.Skip {
		if !strings.HasPrefix(uri, "~") {
			c.skip[strings.ToLower(uri)] = true
			continue
		}
		if p, err := SkipPattern(uri); err == nil {
			c.patterns = append(c.patterns, p)
		}
	}
	return c
}

// SkipPattern is the expression of an entry of Skip that begins with "~".
func SkipPattern(entry string) (*regexp.Regexp, error) {
	if rest, ok := strings.CutPrefix(entry, "~*"); ok {
		return regexp.Compile("(?i)" + rest)
	}
	return regexp.Compile(strings.TrimPrefix(entry, "~"))
}

// Skips reports whether a request URI writes no line. It is asked before
// anything is formatted.
func (l *Log) Skips(uri []byte) bool {
	s := l.settings.Load()
	if s.Off {
		return true
	}
	if len(s.skip) > 0 {
		var scratch [128]byte
		if s.skip[string(appendLower(scratch[:0], uri))] {
			return true
		}
	}
	for _, p := range s.patterns {
		if p.Match(uri) {
			return true
		}
	}
	return false
}

func appendLower(b, s []byte) []byte {
	for _, c := range s {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}

// Captured returns what must be kept of a response for its line. The slice
// must not be changed.
func (l *Log) Captured() []Captured {
	if l == nil {
		return nil
	}
	return l.settings.Load().captured
}

// Sessions reports whether TCP and UDP services write lines.
func (l *Log) Sessions() bool { return l != nil && !l.settings.Load().StreamOff }

// op is one step of a template: a text, a value of the Entry, or a variable of
// its Source.
type op struct {
	field field
	id    variable.ID
	text  string // the literal, or the argument
}

// template is a compiled format. It is never written after compile.
type template struct {
	ops    []op
	escape Escape
}

// compile turns a format into steps. It accepts every text (variable.ParseLog).
func compile(format string, escape Escape) (t template, captured []Captured) {
	t.escape = escape
	text, _, _ := variable.ParseLog(Unquote(format))
	text.Parts(func(id variable.ID, literalText, arg string) {
		switch id {
		case variable.Literal:
			t.ops = append(t.ops, op{text: literalText})
			return
		case variable.Hostname, variable.PID:
			t.ops = append(t.ops, op{text: processText(id)})
			return
		case variable.SentField, variable.UpstreamField, variable.UpstreamCookie:
			captured = append(captured, Captured{id, arg})
		}
		t.ops = append(t.ops, op{field: fieldOf(id, arg), id: id, text: arg})
	})
	return t, captured
}

// processText is a variable of this process.
func processText(id variable.ID) string {
	if id == variable.PID {
		return strconv.Itoa(os.Getpid())
	}
	name, _ := os.Hostname()
	return name
}

// Unquote undoes the escapes that nginx's configuration has within quotes,
// where ingress-nginx puts the format.
func Unquote(format string) string {
	if !strings.Contains(format, `\`) {
		return format
	}
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\'`, `'`, `\t`, "\t", `\r`, "\r", `\n`, "\n").Replace(format)
}

// clock formats times; the texts of a second are made once.
type clock struct {
	location *time.Location
	last     atomic.Pointer[second]
}

type second struct {
	unix       int64
	local, iso []byte
}

func (c *clock) at(t time.Time) *second {
	unix := t.Unix()
	s := c.last.Load()
	if s == nil || s.unix != unix {
		in := t.In(c.location)
		s = &second{unix, in.AppendFormat(nil, "02/Jan/2006:15:04:05 -0700"), in.AppendFormat(nil, "2006-01-02T15:04:05-07:00")}
		c.last.Store(s)
	}
	return s
}
