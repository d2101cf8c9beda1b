package http1

import "bytes"

// maxMethod is the longest method in octets (H1.4).
const maxMethod = 64

// Reset makes r ready for a message of another connection. Between the
// messages of one connection it is not needed, but it must be called before r
// is used elsewhere: a half-read head is otherwise taken for the beginning of
// the new one.
func (r *Request) Reset() {
	r.parser.begin()
	// One by one: a literal would be made first, the parser with it.
	r.Method, r.Target, r.Form, r.Path, r.Query, r.HasQuery = nil, nil, FormOrigin, nil, nil, false
	r.Authority, r.Scheme, r.Minor, r.Fields = nil, nil, 0, nil
	r.Body, r.ContentLength, r.KeepAlive, r.ExpectContinue, r.Upgrade = BodyNone, -1, false, false, nil
}

// Get returns the value of the first field with this id. Host and
// Content-Length occur at most once; for others see all lines in Fields.
func (r *Request) Get(id FieldID) ([]byte, bool) { return r.parser.get(id) }

// Parse reads a request head from the front of b, in place, so the views in r
// are valid as long as b is. n is the number of octets it takes, with an empty
// line in front of the request line (H1.3). The error is nil, ErrIncomplete,
// or an *Error, after which the connection must be closed.
//
// The outcome depends on the octets only, not on how they were cut into calls.
func (r *Request) Parse(b []byte, lim *Limits) (n int, err error) {
	if len(b) == 0 {
		return 0, ErrIncomplete
	}
	switch reason := r.parse(b, lim); reason {
	case reasonNone:
		r.parser.stage = stageNone
		return r.parser.start, nil
	case reasonIncomplete:
		return 0, ErrIncomplete
	default:
		r.parser.stage = stageNone
		return 0, &requestErrors[reason]
	}
}

func (r *Request) parse(b []byte, lim *Limits) Reason {
	s := &r.parser
	if !s.resumes(b) {
		r.Reset()
		s.stage, s.first = stageStart, &b[0]
	}
	if s.stage == stageStart {
		if reason := s.skipEmptyLine(b); reason != reasonNone {
			return reason
		}
		line, reason := s.next(b, lim.RequestLine, ReasonRequestLineLong, lim.Head, ReasonHeadLong)
		if reason != reasonNone {
			return reason
		}
		if reason = r.requestLine(line, lim); reason != reasonNone {
			return reason
		}
		s.stage = stageFields
	}
	limits := headLimits(lim)
	reason := s.readFields(b, &limits)
	if reason != reasonNone {
		return reason
	}
	return r.finish()
}

// skipEmptyLine skips one CRLF in front of the request line (H1.3). The first
// octet of the line itself is judged at once, so that a client that speaks
// something else (TLS, say) does not have to wait for its time-out.
func (s *section) skipEmptyLine(b []byte) Reason {
	if s.start == 0 && b[0] == '\r' {
		if len(b) == 1 {
			return reasonIncomplete
		}
		if b[1] != '\n' {
			return ReasonBareCR
		}
		s.start, s.seen = 2, 2
	}
	if s.start == len(b) {
		return reasonIncomplete
	}
	switch c := b[s.start]; {
	case classes[c]&classToken != 0:
		return reasonNone
	case c == '\r':
		return ReasonEmptyLines
	case c == '\n':
		return ReasonBareLF
	case c == ' ' || c == '\t':
		return ReasonRequestLine
	}
	return ReasonMethod
}

// requestLine reads "method SP target SP HTTP/1.x" (H1.2).
func (r *Request) requestLine(line []byte, lim *Limits) Reason {
	sp1, sp2 := bytes.IndexByte(line, ' '), bytes.LastIndexByte(line, ' ')
	if sp1 < 0 {
		return ReasonRequestLine
	}
	r.Method = line[:sp1]
	if len(r.Method) > maxMethod || !allOf(r.Method, classToken) {
		return ReasonMethod
	}
	if sp2 <= sp1+1 {
		return ReasonRequestLine
	}
	r.Target = line[sp1+1 : sp2]
	var reason Reason
	if r.Minor, reason = version(line[sp2+1:]); reason != reasonNone {
		return reason
	}
	switch string(r.Method) {
	case "CONNECT":
		r.Form = FormAuthority
		return ReasonConnect
	case "TRACE", "TRACK":
		return ReasonTrace
	}
	return r.target(lim.HighTarget)
}

// version reads "HTTP/1.x"; any x above 1 is read as 1 (H1.5).
func version(v []byte) (minor int, reason Reason) {
	if len(v) != len("HTTP/1.1") || string(v[:5]) != "HTTP/" || v[6] != '.' ||
		classes[v[5]]&classDigit == 0 || classes[v[7]]&classDigit == 0 {
		return 0, ReasonVersionSyntax
	}
	if v[5] != '1' {
		return 0, ReasonVersion
	}
	return min(int(v[7]-'0'), 1), reasonNone
}

// finish judges the fields together.
func (r *Request) finish() Reason {
	s := &r.parser
	r.Fields = s.fields
	r.ContentLength = s.contentLength
	if reason := s.framing(r.Minor); reason != reasonNone {
		return reason
	}
	if reason := r.checkHost(); reason != reasonNone {
		return reason
	}
	if s.expectOther {
		return ReasonExpect
	}
	r.Body = s.bodyKind(BodyNone)
	r.KeepAlive = s.persists(r.Minor)
	r.ExpectContinue = s.expect && r.Minor == 1 && r.Body != BodyNone
	if r.Minor == 1 && r.Body == BodyNone {
		r.Upgrade = s.upgradeTo()
	}
	s.markHops()
	return reasonNone
}

// checkHost finds the authority (H3.1–H3.3).
func (r *Request) checkHost() Reason {
	host, ok := r.Get(FieldHost)
	if !ok {
		if r.Minor == 1 {
			return ReasonNoHost
		}
		return reasonNone
	}
	if !validAuthority(host) {
		return ReasonHost
	}
	if r.Form == FormAbsolute && !equalFold(host, r.Authority) {
		return ReasonHostMismatch
	}
	r.Authority = host
	return reasonNone
}
