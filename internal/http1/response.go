package http1

// Reset makes r ready for a message of another connection; see Request.Reset.
func (r *Response) Reset() {
	r.parser.begin()
	r.Minor, r.Status, r.Phrase, r.Fields = 0, 0, nil, nil
	r.Body, r.ContentLength, r.KeepAlive, r.Upgrade = BodyNone, -1, false, nil
}

// Get returns the value of the first field with this id.
func (r *Response) Get(id FieldID) ([]byte, bool) { return r.parser.get(id) }

// Parse reads a response head from the front of b in the manner of
// Request.Parse and with the same strictness (H2.14). requestWasHEAD tells
// that there is no body whatever the fields say. Interim responses (1xx) are
// responses like any other: parse again for the next one.
func (r *Response) Parse(b []byte, lim *Limits, requestWasHEAD bool) (n int, err error) {
	if len(b) == 0 {
		return 0, ErrIncomplete
	}
	switch reason := r.parse(b, lim, requestWasHEAD); reason {
	case reasonNone:
		r.parser.stage = stageNone
		return r.parser.start, nil
	case reasonIncomplete:
		return 0, ErrIncomplete
	default:
		r.parser.stage = stageNone
		return 0, &responseErrors[reason]
	}
}

func (r *Response) parse(b []byte, lim *Limits, requestWasHEAD bool) Reason {
	s := &r.parser
	if !s.resumes(b) {
		r.Reset()
		s.stage, s.first = stageStart, &b[0]
	}
	if s.stage == stageStart {
		if b[0] != 'H' {
			return ReasonStatusLine
		}
		line, reason := s.next(b, lim.RequestLine, ReasonRequestLineLong, lim.Head, ReasonHeadLong)
		if reason != reasonNone {
			return reason
		}
		if reason = r.statusLine(line); reason != reasonNone {
			return reason
		}
		s.stage = stageFields
	}
	limits := headLimits(lim)
	if reason := s.readFields(b, &limits); reason != reasonNone {
		return reason
	}
	return r.finish(requestWasHEAD)
}

// statusLine reads "HTTP/1.x SP 3DIGIT [SP phrase]". The blank before an empty
// phrase may be missing, as it is with many servers and in RFC 2616's readers.
func (r *Response) statusLine(line []byte) Reason {
	const code = len("HTTP/1.1 ")
	if len(line) < code+3 || line[code-1] != ' ' {
		return ReasonStatusLine
	}
	var reason Reason
	if r.Minor, reason = version(line[:code-1]); reason != reasonNone {
		return reason
	}
	digits := line[code : code+3]
	if !allOf(digits, classDigit) || digits[0] == '0' {
		return ReasonStatusLine
	}
	r.Status = int(digits[0]-'0')*100 + int(digits[1]-'0')*10 + int(digits[2]-'0')
	rest := line[code+3:]
	if len(rest) == 0 {
		return reasonNone
	}
	if rest[0] != ' ' {
		return ReasonStatusLine
	}
	r.Phrase = rest[1:]
	if i := firstControl(r.Phrase); i >= 0 {
		return wrongOctet(r.Phrase[i], ReasonStatusLine)
	}
	return reasonNone
}

// finish judges the fields together.
func (r *Response) finish(requestWasHEAD bool) Reason {
	s := &r.parser
	r.Fields = s.fields
	r.ContentLength = s.contentLength
	if reason := s.framing(r.Minor); reason != reasonNone {
		return reason
	}
	r.KeepAlive = s.persists(r.Minor)
	switch never := r.Status < 200 || r.Status == 204; {
	case never:
		// A sender that announces a body where none can be may also send one.
		r.KeepAlive = r.KeepAlive && !s.te.present && s.contentLength <= 0
	case requestWasHEAD || r.Status == 304:
	default:
		r.Body = s.bodyKind(BodyClose)
	}
	if r.Body == BodyClose {
		r.KeepAlive = false
	}
	if r.Status == 101 {
		r.Upgrade = s.upgradeTo()
	}
	s.markHops()
	return reasonNone
}
