package accesslog

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// DefaultFormat is ingress-nginx's log-format-upstream (spec §10.1).
const DefaultFormat = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" ` +
	`"$http_user_agent" $request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] ` +
	`$upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id`

// maxField bounds what one variable adds to a line (H8.6).
const maxField = 1 << 10

// cut ends a field that was longer.
const cut = "..."

// field is a variable of a format.
type field uint8

const (
	literal field = iota
	remoteAddr
	remoteUser
	timeLocal
	request
	status
	bodyBytesSent
	httpReferer
	httpUserAgent
	requestLength
	requestTime
	proxyUpstreamName
	proxyAlternativeUpstreamName
	upstreamAddr
	upstreamResponseLength
	upstreamResponseTime
	upstreamStatus
	reqID
)

// fieldOf knows the variable names.
func fieldOf(name string) (field, bool) {
	switch name {
	case "remote_addr":
		return remoteAddr, true
	case "remote_user":
		return remoteUser, true
	case "time_local":
		return timeLocal, true
	case "request":
		return request, true
	case "status":
		return status, true
	case "body_bytes_sent":
		return bodyBytesSent, true
	case "http_referer":
		return httpReferer, true
	case "http_user_agent":
		return httpUserAgent, true
	case "request_length":
		return requestLength, true
	case "request_time":
		return requestTime, true
	case "proxy_upstream_name":
		return proxyUpstreamName, true
	case "proxy_alternative_upstream_name":
		return proxyAlternativeUpstreamName, true
	case "upstream_addr":
		return upstreamAddr, true
	case "upstream_response_length":
		return upstreamResponseLength, true
	case "upstream_response_time":
		return upstreamResponseTime, true
	case "upstream_status":
		return upstreamStatus, true
	case "req_id":
		return reqID, true
	}
	return literal, false
}

// op is one step of a template: a text, or a variable.
type op struct {
	field field
	text  string
}

// template is a compiled format. It is never written after compile.
type template []op

// compile turns a format into steps. Text between variables is taken as it is.
func compile(format string) (template, error) {
	var t template
	for format != "" {
		at := strings.IndexByte(format, '$')
		if at < 0 {
			at = len(format)
		}
		if at > 0 {
			t = append(t, op{text: format[:at]})
			format = format[at:]
			continue
		}
		name := format[1:]
		if end := strings.IndexFunc(name, notInName); end >= 0 {
			name = name[:end]
		}
		f, ok := fieldOf(name)
		if !ok {
			return nil, fmt.Errorf("access log format: unknown variable $%s", name)
		}
		t = append(t, op{field: f})
		format = format[1+len(name):]
	}
	return t, nil
}

func notInName(r rune) bool {
	return r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9') && (r < 'A' || r > 'Z')
}

// appendLine appends the line of e with its line break.
func (t template) appendLine(b []byte, e *Entry, c *clock) []byte {
	for i := range t {
		if t[i].field == literal {
			b = append(b, t[i].text...)
			continue
		}
		b = appendField(b, t[i].field, e, c)
	}
	return append(b, '\n')
}

func appendField(b []byte, f field, e *Entry, c *clock) []byte {
	switch f {
	case remoteAddr:
		if !e.Remote.IsValid() {
			return append(b, '-')
		}
		return e.Remote.Unmap().WithZone("").AppendTo(b)
	case remoteUser:
		return appendText(b, e.RemoteUser)
	case timeLocal:
		return c.append(b, e.Time)
	case request:
		return appendRequest(b, e)
	case status:
		return appendStatus(b, e.Status)
	case bodyBytesSent:
		return strconv.AppendInt(b, max(e.BodyBytesSent, 0), 10)
	case httpReferer:
		return appendText(b, e.Referer)
	case httpUserAgent:
		return appendText(b, e.UserAgent)
	case requestLength:
		return strconv.AppendInt(b, max(e.RequestLength, 0), 10)
	case requestTime:
		return appendSeconds(b, max(e.RequestTime, 0))
	case proxyUpstreamName:
		return appendText(b, e.UpstreamName)
	case proxyAlternativeUpstreamName:
		// nginx logs a variable that is set to nothing as nothing.
		return appendEscaped(b, e.AlternativeName, maxField)
	case reqID:
		return appendText(b, e.RequestID)
	}
	return appendAttempts(b, f, e.Attempts)
}

// appendRequest appends the request line. Parts that were never received are
// left out with their blank.
func appendRequest(b []byte, e *Entry) []byte {
	start := len(b)
	// The method and the version keep some room of the field for themselves.
	b = appendEscaped(b, e.Method, maxField/8)
	for _, part := range [...][]byte{e.Target, e.Proto} {
		if len(part) == 0 {
			continue
		}
		if len(b) > start {
			b = append(b, ' ')
		}
		b = appendEscaped(b, part, maxField*3/4)
	}
	if len(b) == start {
		return append(b, '-')
	}
	if len(b) > start+maxField {
		b = append(trimEscape(b[:start+maxField-len(cut)], start), cut...)
	}
	return b
}

// appendAttempts appends one value per attempt, separated by commas.
func appendAttempts(b []byte, f field, attempts []Attempt) []byte {
	if len(attempts) == 0 {
		return append(b, '-')
	}
	start := len(b)
	for i := range attempts {
		if i > 0 {
			b = append(b, ", "...)
		}
		before := len(b)
		b = appendAttempt(b, f, &attempts[i])
		if len(b)-start > maxField-len(cut)-len(", ") {
			return append(b[:before], cut...)
		}
	}
	return b
}

func appendAttempt(b []byte, f field, a *Attempt) []byte {
	switch {
	case f == upstreamAddr:
		return appendText(b, a.Addr)
	case f == upstreamStatus && a.Status > 0:
		return appendStatus(b, a.Status)
	case f == upstreamResponseLength && a.ResponseLength >= 0:
		return strconv.AppendInt(b, a.ResponseLength, 10)
	case f == upstreamResponseTime && a.ResponseTime >= 0:
		return appendSeconds(b, a.ResponseTime)
	}
	return append(b, '-')
}

// appendStatus appends three digits.
func appendStatus(b []byte, n int) []byte {
	n = max(n, 0)
	if n > 999 {
		return strconv.AppendInt(b, int64(n), 10)
	}
	return append(b, byte('0'+n/100), byte('0'+n/10%10), byte('0'+n%10))
}

// appendSeconds appends seconds with milliseconds, cut off as nginx does.
func appendSeconds(b []byte, d time.Duration) []byte {
	ms := d.Milliseconds()
	b = strconv.AppendInt(b, ms/1000, 10)
	ms %= 1000
	return append(b, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
}

// appendText appends a value, or "-" for none.
func appendText[T string | []byte](b []byte, s T) []byte {
	if len(s) == 0 {
		return append(b, '-')
	}
	return appendEscaped(b, s, maxField)
}

// appendEscaped appends s with everything that could end a field or a line, or
// is no ASCII, as \xHH, as nginx does. It adds at most limit octets and never
// half an escape; what is cut off ends in "...".
func appendEscaped[T string | []byte](b []byte, s T, limit int) []byte {
	start := len(b)
	for i := range len(s) {
		if !plain(s[i]) || i >= limit {
			b = append(b, s[:i]...)
			return appendRest(b, s[i:], start, limit)
		}
	}
	return append(b, s...)
}

func appendRest[T string | []byte](b []byte, s T, start, limit int) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		if c := s[i]; plain(c) {
			b = append(b, c)
		} else {
			b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
		}
		if len(b)-start > limit {
			return append(trimEscape(b[:start+limit-len(cut)], start), cut...)
		}
	}
	return b
}

// plain reports whether c stands for itself.
func plain(c byte) bool { return c >= ' ' && c < 0x7f && c != '"' && c != '\\' }

// trimEscape removes the first part of an escape that was cut at the end of b.
// A backslash is always the first octet of one.
func trimEscape(b []byte, start int) []byte {
	for i := len(b) - 1; i >= max(start, len(b)-3); i-- {
		if b[i] == '\\' {
			return b[:i]
		}
	}
	return b
}

// clock formats times; the text of a second is made once.
type clock struct {
	location *time.Location
	last     atomic.Pointer[second]
}

type second struct {
	unix int64
	text []byte
}

func (c *clock) append(b []byte, t time.Time) []byte {
	unix := t.Unix()
	s := c.last.Load()
	if s == nil || s.unix != unix {
		s = &second{unix, t.In(c.location).AppendFormat(nil, "02/Jan/2006:15:04:05 -0700")}
		c.last.Store(s)
	}
	return append(b, s.text...)
}
