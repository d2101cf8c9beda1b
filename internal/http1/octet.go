package http1

import "encoding/binary"

// octetClass is what an octet may be part of.
type octetClass uint8

const (
	classToken      octetClass = 1 << iota // tchar of RFC 9110 §5.6.2
	classUnderscore                        // "_", which is a tchar too
	classTarget                            // visible ASCII except "#" (H1.11)
	classHigh                              // 0x80–0xFF
	classControl                           // what no value may hold: controls except HTAB (H1.8)
	classHost                              // unreserved of RFC 3986 §2.3
	classAlpha
	classDigit
)

var classes = newClasses()

func newClasses() *[256]octetClass {
	var table [256]octetClass
	for i := range table {
		c := byte(i)
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			table[i] = classToken | classHost | classAlpha
		case c >= '0' && c <= '9':
			table[i] = classToken | classHost | classDigit
		case c >= 0x80:
			table[i] = classHigh
		case c < ' ' && c != '\t' || c == 0x7F:
			table[i] = classControl
		}
		if c > ' ' && c < 0x7F && c != '#' {
			table[i] |= classTarget
		}
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		table[c] |= classToken
	}
	for _, c := range []byte("-._~") {
		table[c] |= classHost
	}
	table['_'] |= classUnderscore
	return &table
}

// lower maps ASCII capitals to small letters and every other octet to itself.
var lower = newLower()

func newLower() *[256]byte {
	var table [256]byte
	for i := range table {
		table[i] = byte(i)
	}
	for c := byte('A'); c <= 'Z'; c++ {
		table[c] = c + 'a' - 'A'
	}
	return &table
}

// equalFold compares without regard to the case of ASCII letters.
func equalFold[A, B ~string | ~[]byte](a A, b B) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if lower[a[i]] != lower[b[i]] {
			return false
		}
	}
	return true
}

func hasPrefixFold[A ~string | ~[]byte](a A, prefix string) bool {
	return len(a) >= len(prefix) && equalFold(a[:len(prefix)], prefix)
}

// allOf reports whether s is not empty and all its octets are of the class.
func allOf[T ~string | ~[]byte](s T, class octetClass) bool {
	for i := 0; i < len(s); i++ {
		if classes[s[i]]&class == 0 {
			return false
		}
	}
	return len(s) > 0
}

// firstControl returns the index of the first octet that no value may hold, -1
// without one. It looks at eight octets at a time: x-ones*0x20 borrows into
// the top bit of exactly the octets below 0x20 (up to the first hit), and the
// second term does the same for 0x7F.
func firstControl(v []byte) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(v); i += 8 {
		x := binary.LittleEndian.Uint64(v[i:])
		del := x ^ ones*0x7F
		if ((x-ones*0x20)&^x|(del-ones)&^del)&tops == 0 {
			continue
		}
		for j := i; j < i+8; j++ { // it may be just an HTAB
			if classes[v[j]]&classControl != 0 {
				return j
			}
		}
	}
	for ; i < len(v); i++ {
		if classes[v[i]]&classControl != 0 {
			return i
		}
	}
	return -1
}

// trim removes the blanks of H1.9, SP and HTAB, at both ends.
func trim(v []byte) []byte {
	for len(v) > 0 && (v[0] == ' ' || v[0] == '\t') {
		v = v[1:]
	}
	for len(v) > 0 && (v[len(v)-1] == ' ' || v[len(v)-1] == '\t') {
		v = v[:len(v)-1]
	}
	return v
}
