package http1

import "strconv"

// The Append functions build heads and chunk framing in the caller's memory and
// return it extended, so that a head and the first octets of its body can go
// out in one write. What comes from a parsed head is clean; everything else
// (objects, captures, configuration) goes through AppendCheckedField,
// ValidValue or ValidTarget first (H4.10).

const crlf = "\r\n"

// AppendRequestLine appends a request line for HTTP/1.minor. method and target
// must be valid.
func AppendRequestLine(dst, method, target []byte, minor int) []byte {
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(dst, target...)
	if minor == 0 {
		return append(dst, " HTTP/1.0\r\n"...)
	}
	return append(dst, " HTTP/1.1\r\n"...)
}

// AppendStatusLine appends a status line for HTTP/1.1, which is our version
// whatever the client's is. A nil phrase is StatusText(status). status has
// three digits.
func AppendStatusLine(dst []byte, status int, phrase []byte) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = append(dst, byte('0'+status/100), byte('0'+status/10%10), byte('0'+status%10), ' ')
	if phrase == nil {
		dst = append(dst, StatusText(status)...)
	} else {
		dst = append(dst, phrase...)
	}
	return append(dst, crlf...)
}

// AppendField appends one field line. name and value must be valid.
func AppendField[N, V ~string | ~[]byte](dst []byte, name N, value V) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, crlf...)
}

// AppendCheckedField appends one field line unless name or value is not valid,
// and tells whether it did.
func AppendCheckedField[N, V ~string | ~[]byte](dst []byte, name N, value V) ([]byte, bool) {
	if !ValidName(name) || !ValidValue(value) {
		return dst, false
	}
	return AppendField(dst, name, value), true
}

// AppendContentLength appends a Content-Length field.
func AppendContentLength(dst []byte, n int64) []byte {
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, crlf...)
}

// AppendHeadEnd appends the empty line that ends a head.
func AppendHeadEnd(dst []byte) []byte { return append(dst, crlf...) }

// ChunkHeaderMax is the greatest length of a chunk header: 16 digits and CRLF.
const ChunkHeaderMax = 18

// AppendChunkHeader appends the size line of a chunk of n octets, n > 0. The
// data and a CRLF (AppendChunkEnd) must follow.
func AppendChunkHeader(dst []byte, n int) []byte {
	dst = strconv.AppendUint(dst, uint64(n), 16)
	return append(dst, crlf...)
}

// AppendChunkEnd appends the CRLF that follows the data of a chunk.
func AppendChunkEnd(dst []byte) []byte { return append(dst, crlf...) }

// PutChunkHeader writes the size line of a chunk of n octets, n > 0, so that it
// ends where room ends, and returns where it begins. room is at least
// ChunkHeaderMax long. With it data can be read behind reserved room and leave
// in one write: header, data, CRLF.
func PutChunkHeader(room []byte, n int) int {
	i := len(room) - len(crlf)
	copy(room[i:], crlf)
	for {
		i--
		room[i] = "0123456789abcdef"[n&0xF]
		if n >>= 4; n == 0 {
			return i
		}
	}
}

// AppendLastChunk appends the last chunk, the trailer fields and the end of the
// body.
func AppendLastChunk(dst []byte, trailers []Field) []byte {
	return AppendTrailers(append(dst, "0\r\n"...), trailers)
}

// ValidName reports whether name may be sent as a field name.
func ValidName[T ~string | ~[]byte](name T) bool { return allOf(name, classToken) }

// ValidValue reports whether value may be sent as a field value or reason
// phrase: no control octet but HTAB (H1.8, H4.10). It may be empty.
func ValidValue[T ~string | ~[]byte](value T) bool {
	for i := 0; i < len(value); i++ {
		if classes[value[i]]&classControl != 0 {
			return false
		}
	}
	return true
}

// ValidTarget reports whether target may be sent as a request target in origin
// form: it begins with "/" and holds no blank, control or "#". Octets from 0x80
// may be there, for listeners that take them (Limits.HighTarget).
func ValidTarget[T ~string | ~[]byte](target T) bool {
	return len(target) > 0 && target[0] == '/' && allOf(target, classTarget|classHigh)
}

// ValidAuthority reports whether a may be sent as a Host field: "host[:port]"
// after H3.2.
func ValidAuthority(a []byte) bool { return validAuthority(a) }
