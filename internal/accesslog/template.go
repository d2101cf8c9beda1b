package accesslog

import (
	"strconv"
	"time"

	"daemun/internal/variable"
)

// maxField bounds what one variable adds to a line (H8.6).
const maxField = 1 << 10

// cut ends a field that was longer.
const cut = "..."

// field is a variable whose value is in the Entry or the Session.
type field uint8

const (
	literal field = iota
	sourced       // a variable of the Source
	named         // the same, but one that is set to nothing is nothing
	absent
	secret // present, but nobody's to read
	query  // of the Source, with secrets in it
	remoteAddr
	remoteUser
	timeLocal
	timeISO8601
	msec
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
	upstreamConnectTime
	upstreamHeaderTime
	upstreamBytesSent
	upstreamBytesReceived
	upstreamStatus
	reqID
)

// fieldOf is where a variable's value is found.
func fieldOf(id variable.ID, arg string) field {
	switch id {
	case variable.Field:
		switch arg {
		case "authorization", "proxy_authorization", "cookie":
			return secret
		case "referer":
			return httpReferer
		case "user_agent":
			return httpUserAgent
		}
		return sourced
	case variable.SentField, variable.UpstreamField:
		if arg == "set_cookie" {
			return secret
		}
	case variable.Arg:
		if isSecret([]byte(arg)) {
			return secret
		}
	case variable.Args, variable.RequestURI:
		return query
	case variable.Absent:
		return absent
	case variable.Namespace, variable.IngressName, variable.ServiceName, variable.ServicePort, variable.LocationPath, variable.IsArgs:
		return named
	}
	if f, ok := entryFields[id]; ok {
		return f
	}
	return sourced
}

var entryFields = map[variable.ID]field{
	variable.RemoteAddr: remoteAddr, variable.RemoteUser: remoteUser,
	variable.TimeLocal: timeLocal, variable.TimeISO8601: timeISO8601, variable.Msec: msec,
	variable.RequestLine: request, variable.Status: status, variable.BodyBytesSent: bodyBytesSent,
	variable.RequestLength: requestLength, variable.RequestTime: requestTime, variable.SessionTime: requestTime,
	variable.UpstreamName: proxyUpstreamName, variable.AlternativeName: proxyAlternativeUpstreamName,
	variable.UpstreamAddr: upstreamAddr, variable.UpstreamResponseLength: upstreamResponseLength,
	variable.UpstreamResponseTime: upstreamResponseTime, variable.UpstreamConnectTime: upstreamConnectTime,
	variable.UpstreamHeaderTime: upstreamHeaderTime, variable.UpstreamBytesSent: upstreamBytesSent,
	variable.UpstreamBytesReceived: upstreamBytesReceived, variable.UpstreamStatus: upstreamStatus,
	variable.RequestID: reqID,
}

// appendLine appends the line of e with its line break. scratch is where the
// values of the source are made; it is returned with what it has grown to.
func (t *template) appendLine(b, scratch []byte, e *Entry, c *clock) (line, grown []byte) {
	for i := range t.ops {
		switch o := &t.ops[i]; o.field {
		case literal:
			b = append(b, o.text...)
		case absent:
			b = t.none(b)
		case sourced, named, secret, query:
			scratch = scratch[:0]
			if e.Source != nil {
				scratch = e.Source.AppendVariable(scratch, o.id, o.text)
			}
			b = t.appendSourced(b, o, scratch)
		default:
			b = t.appendField(b, o.field, e, c)
		}
	}
	return append(b, '\n'), scratch
}

func (t *template) appendSourced(b []byte, o *op, value []byte) []byte {
	switch {
	case len(value) == 0 && o.field != named:
		return t.none(b)
	case o.field == secret:
		return append(b, hidden...)
	case o.field == query:
		return t.appendTarget(b, value, o.id == variable.Args, maxField)
	}
	return appendEscaped(b, value, maxField, t.escape)
}

// none appends what stands for no value: nothing within JSON, as in nginx.
func (t *template) none(b []byte) []byte {
	if t.escape != EscapeDefault {
		return b
	}
	return append(b, '-')
}

func (t *template) appendField(b []byte, f field, e *Entry, c *clock) []byte {
	switch f {
	case remoteAddr:
		if !e.Remote.IsValid() {
			return t.none(b)
		}
		return e.Remote.Unmap().WithZone("").AppendTo(b)
	case remoteUser:
		return t.appendOctets(b, e.RemoteUser)
	case timeLocal:
		return append(b, c.at(e.Time).local...)
	case timeISO8601:
		return append(b, c.at(e.Time).iso...)
	case msec:
		return appendSeconds(b, time.Duration(e.Time.UnixNano()))
	case request:
		return t.appendRequest(b, e)
	case status:
		return appendStatus(b, e.Status)
	case bodyBytesSent:
		return strconv.AppendInt(b, max(e.BodyBytesSent, 0), 10)
	case httpReferer:
		if len(e.Referer) == 0 {
			return t.none(b)
		}
		return t.appendTarget(b, e.Referer, false, maxField)
	case httpUserAgent:
		return t.appendOctets(b, e.UserAgent)
	case requestLength:
		return strconv.AppendInt(b, max(e.RequestLength, 0), 10)
	case requestTime:
		return appendSeconds(b, max(e.RequestTime, 0))
	case proxyUpstreamName:
		return t.appendText(b, e.UpstreamName)
	case proxyAlternativeUpstreamName:
		// nginx logs a variable that is set to nothing as nothing.
		return appendEscaped(b, e.AlternativeName, maxField, t.escape)
	case reqID:
		return t.appendOctets(b, e.RequestID)
	}
	return t.appendAttempts(b, f, e.Attempts)
}

// appendRequest appends the request line. Parts that were never received are
// left out with their blank.
func (t *template) appendRequest(b []byte, e *Entry) []byte {
	start := len(b)
	// Together the parts stay within the bound of a field.
	b = appendEscaped(b, e.Method, maxField/8, t.escape)
	if len(e.Target) > 0 {
		b = t.appendTarget(blankAfter(b, start), e.Target, false, maxField*3/4)
	}
	if len(e.Proto) > 0 {
		b = appendEscaped(blankAfter(b, start), e.Proto, maxField/8-len("  "), t.escape)
	}
	if len(b) == start {
		return t.none(b)
	}
	return b
}

func blankAfter(b []byte, start int) []byte {
	if len(b) > start {
		b = append(b, ' ')
	}
	return b
}

// appendAttempts appends one value per attempt, separated by commas.
func (t *template) appendAttempts(b []byte, f field, attempts []Attempt) []byte {
	if len(attempts) == 0 {
		return t.none(b)
	}
	start := len(b)
	for i := range attempts {
		if i > 0 {
			b = append(b, ", "...)
		}
		before := len(b)
		b = t.appendAttempt(b, f, &attempts[i])
		if len(b)-start > maxField-len(cut)-len(", ") {
			return append(b[:before], cut...)
		}
	}
	return b
}

func (t *template) appendAttempt(b []byte, f field, a *Attempt) []byte {
	switch {
	case f == upstreamAddr:
		return t.appendText(b, a.Addr)
	case f == upstreamStatus && a.Status > 0:
		return appendStatus(b, a.Status)
	case f == upstreamResponseLength && a.ResponseLength >= 0:
		return strconv.AppendInt(b, a.ResponseLength, 10)
	case f == upstreamResponseTime && a.ResponseTime >= 0:
		return appendSeconds(b, a.ResponseTime)
	case f == upstreamConnectTime && a.Connected:
		return appendSeconds(b, a.ConnectTime)
	case f == upstreamHeaderTime && a.HeaderTime > 0:
		return appendSeconds(b, a.HeaderTime)
	case f == upstreamBytesSent:
		return strconv.AppendInt(b, a.BytesSent, 10)
	case f == upstreamBytesReceived:
		return strconv.AppendInt(b, a.BytesReceived, 10)
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

// appendText and appendOctets append a value, or what stands for none.
func (t *template) appendText(b []byte, s string) []byte {
	if len(s) == 0 {
		return t.none(b)
	}
	return appendEscaped(b, s, maxField, t.escape)
}

func (t *template) appendOctets(b, s []byte) []byte {
	if len(s) == 0 {
		return t.none(b)
	}
	return appendEscaped(b, s, maxField, t.escape)
}
