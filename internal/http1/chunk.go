package http1

// chunkSize reads a size line without its CRLF: 1–16 hex digits and chunk
// extensions, which are checked and forgotten. There may be no blank in front
// of an extension (H2.5 leaves the choice).
func chunkSize(line []byte) (int64, Reason) {
	var size uint64
	n := 0
	for ; n < len(line); n++ {
		digit := hexDigit(line[n])
		if digit > 0xF {
			break
		}
		if n == 16 {
			return 0, ReasonChunkSize
		}
		size = size<<4 | uint64(digit)
	}
	if n == 0 || size > 1<<63-1 {
		return 0, ReasonChunkSize
	}
	if n == len(line) {
		return int64(size), reasonNone
	}
	if line[n] != ';' {
		return 0, wrongOctet(line[n], ReasonChunkSize)
	}
	return int64(size), chunkExtensions(line[n:])
}

// hexDigit returns the value of a hex digit, more than 15 for other octets.
func hexDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 0xFF
}

// chunkExtensions checks *( ";" BWS name [ BWS "=" BWS value ] BWS ) with no
// blank at the end (RFC 9112 §7.1.1).
func chunkExtensions(ext []byte) Reason {
	if i := firstControl(ext); i >= 0 {
		return wrongOctet(ext[i], ReasonChunkExtension)
	}
	for len(ext) > 0 {
		if ext[0] != ';' {
			return ReasonChunkExtension
		}
		var name []byte
		if name, ext = cutToken(skipBlanks(ext[1:])); len(name) == 0 {
			return ReasonChunkExtension
		}
		if len(ext) == 0 {
			break
		}
		if ext = skipBlanks(ext); len(ext) > 0 && ext[0] == '=' {
			rest, ok := cutExtensionValue(skipBlanks(ext[1:]))
			if !ok {
				return ReasonChunkExtension
			}
			if ext = rest; len(ext) == 0 {
				break
			}
			ext = skipBlanks(ext)
		}
		if len(ext) == 0 { // blanks at the end
			return ReasonChunkExtension
		}
	}
	return reasonNone
}

func skipBlanks(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	return b
}

func cutToken(b []byte) (token, rest []byte) {
	n := 0
	for n < len(b) && classes[b[n]]&classToken != 0 {
		n++
	}
	return b[:n], b[n:]
}

// cutExtensionValue cuts a token or a quoted string; controls are out already.
func cutExtensionValue(b []byte) (rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		token, rest := cutToken(b)
		return rest, len(token) > 0
	}
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '"':
			return b[i+1:], true
		case '\\':
			i++
		}
	}
	return nil, false
}
