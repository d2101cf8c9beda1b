package http1

// ParseTrailers reads a whole trailer section, lines and the empty line, that
// came in another way than behind chunks, under the same rules (H2.8): it
// returns the fields that may be sent on, views into b. The error is an *Error.
func ParseTrailers(b []byte, lim *Limits) ([]Field, error) {
	var s section
	s.begin()
	s.trailer = true
	limits := trailerLimits(lim)
	reason := s.readFields(b, &limits)
	if reason == reasonIncomplete {
		reason = ReasonTrailer
	}
	switch {
	case reason == reasonNone:
		return s.fields, nil
	case lim.FromBackend:
		return nil, &responseErrors[reason]
	}
	return nil, &requestErrors[reason]
}

// AppendTrailers appends trailer fields and the empty line.
func AppendTrailers(dst []byte, trailers []Field) []byte {
	for i := range trailers {
		dst = AppendField(dst, trailers[i].Name, trailers[i].Value)
	}
	return append(dst, crlf...)
}
