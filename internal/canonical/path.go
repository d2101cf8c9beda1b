package canonical

// Path returns the reading of a path that routes are matched on, as nginx has
// it: percent-decoded once ("%2F" becomes a separator), "." and ".." resolved,
// "//" merged (ingress-nginx §2.2). raw is the path as received, without
// query; empty is read as "/". ok is false (H3.7: 400) for broken
// percent-encoding, %00, a path above the root, a raw "#" and a path that does
// not begin with "/".
//
// A plain path (see Plain) is returned as it is, without a copy; else the
// result is written over dst[:0].
func Path(dst, raw []byte) (path []byte, ok bool) {
	if Plain(raw) {
		return raw, true
	}
	return read(dst, raw, readNginx)
}

// StrictPath returns the reading of H3.7: dot segments resolved (also encoded
// ones), "%2F" opaque (kept as those three octets), "//" kept. Everything else
// is decoded, because routes are written decoded; decoding only the unreserved
// octets would make "/caf%C3%A9" miss the route "/café". It fails as Path does
// and writes over dst[:0].
func StrictPath(dst, raw []byte) (path []byte, ok bool) { return read(dst, raw, readStrict) }

// PermissivePath returns the most permissive reading that some backend may
// have of a path (H3.8): all decoded once, "\" read as "/", everything from
// ";" on cut off each segment, "//" merged, dot segments resolved. It fails as
// Path does and writes over dst[:0].
func PermissivePath(dst, raw []byte) (path []byte, ok bool) { return read(dst, raw, readPermissive) }

// Plain reports that all readings of a path are the path itself: it begins
// with "/" and holds none of "%", "\", ";", "#", NUL, "//" and "/.".
func Plain(raw []byte) bool {
	if len(raw) == 0 || raw[0] != '/' {
		return false
	}
	slash := false
	for _, c := range raw {
		switch pathClass[c] {
		case pathOrdinary:
			slash = false
		case pathSlash:
			if slash {
				return false
			}
			slash = true
		case pathDot:
			if slash {
				return false
			}
		default:
			return false
		}
	}
	return true
}

type reading struct {
	opaqueSlash bool // "%2F" is an ordinary octet
	merge       bool // "//" is "/"
	backslash   bool // "\" is "/"
	params      bool // ";" ends the segment
}

var (
	readNginx      = reading{merge: true}
	readStrict     = reading{opaqueSlash: true}
	readPermissive = reading{merge: true, backslash: true, params: true}
)

// read writes one reading of raw over dst[:0]. The output always begins with
// "/" and seg is where its last segment begins; a segment is judged when it is
// complete.
func read(dst, raw []byte, r reading) ([]byte, bool) {
	out := append(dst[:0], '/')
	if len(raw) == 0 {
		return out, true
	}
	if raw[0] != '/' {
		return nil, false
	}
	seg, cut := 1, false
	var ok bool
	for i := 1; i < len(raw); i++ {
		c, encoded := raw[i], false
		switch c {
		case '%':
			if c, ok = unhex(raw[i+1:]); !ok || c == 0 {
				return nil, false
			}
			i, encoded = i+2, true
		case '#', 0:
			return nil, false
		}
		switch {
		case c == '/' && encoded && r.opaqueSlash:
			out = append(out, "%2F"...)
		case c == '/' || c == '\\' && r.backslash:
			if out, ok = closeSegment(out, seg, true, r.merge); !ok {
				return nil, false
			}
			seg, cut = len(out), false
		case cut:
		case c == ';' && r.params:
			cut = true
		default:
			out = append(out, c)
		}
	}
	return closeSegment(out, seg, false, r.merge)
}

// closeSegment judges the segment out[seg:]; slash says that a separator
// follows it. It fails when the segment leads above the root.
func closeSegment(out []byte, seg int, slash, merge bool) ([]byte, bool) {
	switch string(out[seg:]) {
	case ".":
		return out[:seg], true
	case "..":
		if seg == 1 {
			return nil, false
		}
		end := seg - 1 // the separator before the segment
		for end > 0 && out[end-1] != '/' {
			end--
		}
		return out[:end], true
	case "":
		slash = slash && !merge
	}
	if slash {
		out = append(out, '/')
	}
	return out, true
}

func unhex(b []byte) (byte, bool) {
	if len(b) < 2 {
		return 0, false
	}
	hi, lo := hexDigit[b[0]], hexDigit[b[1]]
	return hi<<4 | lo&0x0f, hi|lo < 0x80
}

// AppendEscapedPath appends a decoded path in the form in which nginx sends a
// path that it has rewritten (ingress-nginx §15.2): blanks, control octets,
// octets from 0x7F on and the characters "#%<>?\^`{|} are percent-encoded.
func AppendEscapedPath(dst, path []byte) []byte {
	const digits = "0123456789ABCDEF"
	for _, c := range path {
		if escaped[c] {
			dst = append(dst, '%', digits[c>>4], digits[c&0x0f])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

// The classes of octets in a path as received.
const (
	pathOrdinary = iota
	pathSlash
	pathDot
	pathOdd
)

var pathClass = func() (t [256]uint8) {
	for _, c := range []byte("%\\;#\x00") {
		t[c] = pathOdd
	}
	t['/'], t['.'] = pathSlash, pathDot
	return t
}()

// hexDigit holds 0xFF for what is no hexadecimal digit.
var hexDigit = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i := range byte(10) {
		t['0'+i] = i
	}
	for i := range byte(6) {
		t['a'+i], t['A'+i] = 10+i, 10+i
	}
	return t
}()

// escaped is NGX_ESCAPE_URI of nginx since 1.21.1.
var escaped = func() (t [256]bool) {
	for c := range t {
		t[c] = c <= ' ' || c >= 0x7f
	}
	for _, c := range []byte("\"#%<>?\\^`{|}") {
		t[c] = true
	}
	return t
}()
