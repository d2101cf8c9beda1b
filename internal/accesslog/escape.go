package accesslog

// appendEscaped appends s so that it cannot end its field or its line. It adds
// at most limit octets and never half an escape; what is cut off ends in "...".
func appendEscaped[T string | []byte](b []byte, s T, limit int, how Escape) []byte {
	start := len(b)
	for i := range len(s) {
		if !stands(s[i], how) || i >= limit {
			b = append(b, s[:i]...)
			return appendRest(b, s[i:], start, limit, how)
		}
	}
	return append(b, s...)
}

func appendRest[T string | []byte](b []byte, s T, start, limit int, how Escape) []byte {
	// kept is the last place where the text may be cut for the dots.
	kept := start
	for i := range len(s) {
		if len(b)-start <= limit-len(cut) {
			kept = len(b)
		}
		if c := s[i]; stands(c, how) {
			b = append(b, c)
		} else {
			b = appendEscape(b, c, how)
		}
		if len(b)-start > limit {
			if kept == start { // s began with more than that
				kept = start + limit - len(cut)
			}
			return append(b[:kept], cut...)
		}
	}
	return b
}

const hexDigits = "0123456789ABCDEF"

func appendEscape(b []byte, c byte, how Escape) []byte {
	if how != EscapeJSON {
		return append(b, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
	}
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	case '\b':
		return append(b, '\\', 'b')
	case '\f':
		return append(b, '\\', 'f')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// stands reports whether c stands for itself.
func stands(c byte, how Escape) bool {
	switch how {
	case EscapeDefault:
		return c >= ' ' && c < 0x7f && c != '"' && c != '\\'
	case EscapeJSON:
		return c >= ' ' && c != '"' && c != '\\'
	}
	return c >= ' ' || c == '\t'
}
