package http2

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/net/http2"
)

// staticIndex is where the static table of HPACK has a name (RFC 7541 App. A), 0
// for nowhere. A switch takes half the time of a map.
func staticIndex(name string) byte { //nolint:funlen // a table in the form of a switch
	switch name {
	case "accept-charset":
		return 15
	case "accept-encoding":
		return 16
	case "accept-language":
		return 17
	case "accept-ranges":
		return 18
	case "accept":
		return 19
	case "access-control-allow-origin":
		return 20
	case "age":
		return 21
	case "allow":
		return 22
	case "authorization":
		return 23
	case "cache-control":
		return 24
	case "content-disposition":
		return 25
	case "content-encoding":
		return 26
	case "content-language":
		return 27
	case "content-length":
		return 28
	case "content-location":
		return 29
	case "content-range":
		return 30
	case "content-type":
		return 31
	case "cookie":
		return 32
	case "date":
		return 33
	case "etag":
		return 34
	case "expect":
		return 35
	case "expires":
		return 36
	case "from":
		return 37
	case "host":
		return 38
	case "if-match":
		return 39
	case "if-modified-since":
		return 40
	case "if-none-match":
		return 41
	case "if-range":
		return 42
	case "if-unmodified-since":
		return 43
	case "last-modified":
		return 44
	case "link":
		return 45
	case "location":
		return 46
	case "max-forwards":
		return 47
	case "proxy-authenticate":
		return 48
	case "proxy-authorization":
		return 49
	case "range":
		return 50
	case "referer":
		return 51
	case "refresh":
		return 52
	case "retry-after":
		return 53
	case "server":
		return 54
	case "set-cookie":
		return 55
	case "strict-transport-security":
		return 56
	case "transfer-encoding":
		return 57
	case "user-agent":
		return 58
	case "vary":
		return 59
	case "via":
		return 60
	case "www-authenticate":
		return 61
	}
	return 0
}

// Indexes of pseudo-fields in the static table.
const (
	indexAuthority = 1
	indexMethod    = 2 // GET
	indexPost      = 3
	indexPath      = 4 // "/"
	indexHTTP      = 6
	indexHTTPS     = 7
	indexStatus    = 8 // 200
)

// secret fields are marked as never to be put into a table by anyone.
func secret(index byte) bool { return index == 23 || index == 32 || index == 55 || index == 49 }

// The encoder uses no dynamic table: nothing has to be kept in order between
// streams, and no table can be probed. The first section on a connection says
// so to the peer.
const noTable = 0x20

// appendInt appends an integer with an n-bit prefix (RFC 7541 §5.1).
func appendInt(b []byte, first byte, n uint, v uint64) []byte {
	most := uint64(1)<<n - 1
	if v < most {
		return append(b, first|byte(v))
	}
	b = append(b, first|byte(most))
	for v -= most; v >= 128; v >>= 7 {
		b = append(b, 0x80|byte(v&0x7f))
	}
	return append(b, byte(v))
}

// appendString appends a string as it is: Huffman coding would cost more time
// than the octets it saves.
func appendString[T ~string | ~[]byte](b []byte, s T) []byte {
	return append(appendInt(b, 0, 7, uint64(len(s))), s...)
}

// appendIndexed appends a literal whose name is in the static table.
func appendIndexed[T ~string | ~[]byte](b []byte, index byte, value T) []byte {
	first := byte(0)
	if secret(index) {
		first = 0x10
	}
	return appendString(appendInt(b, first, 4, uint64(index)), value)
}

// appendField appends one field; the name may have capitals.
func appendField(b, name, value []byte) []byte {
	var room [64]byte
	lower := append(room[:0], name...)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c | 0x20
		}
	}
	if hop(lower) {
		return b
	}
	if index := staticIndex(string(lower)); index > 0 {
		return appendIndexed(b, index, value)
	}
	b = append(b, 0)
	b = appendString(b, lower)
	return appendString(b, value)
}

// hop reports that a field has no place in HTTP/2 (RFC 9113 §8.2.2).
func hop(lower []byte) bool {
	switch string(lower) {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "http2-settings":
		return true
	}
	return false
}

// nextLine cuts a line of a head that was built by us.
func nextLine(head []byte) (line, rest []byte) {
	i := bytes.IndexByte(head, '\n')
	if i < 1 {
		return nil, nil
	}
	return head[:i-1], head[i+1:]
}

// appendFields encodes field lines up to the empty one.
func appendFields(b, lines []byte) []byte {
	for {
		var line []byte
		line, lines = nextLine(lines)
		colon := bytes.IndexByte(line, ':')
		if colon < 0 {
			return b
		}
		b = appendField(b, line[:colon], line[colon+2:])
	}
}

// statusIndex is where the static table has a status, 0 for nowhere.
func statusIndex(status string) byte {
	switch status {
	case "200":
		return indexStatus
	case "204":
		return 9
	case "206":
		return 10
	case "304":
		return 11
	case "400":
		return 12
	case "404":
		return 13
	case "500":
		return 14
	}
	return 0
}

// appendResponse encodes a response head in HTTP/1 form.
func appendResponse(b, head []byte) []byte {
	line, rest := nextLine(head)
	const at = len("HTTP/1.1 ")
	status := line[at : at+3]
	if index := statusIndex(string(status)); index > 0 {
		b = append(b, 0x80|index)
	} else {
		b = appendIndexed(b, indexStatus, status)
	}
	return appendFields(b, rest)
}

// appendRequest encodes a request head in HTTP/1 form whose first field is
// Host.
func appendRequest(b, head []byte, scheme byte) []byte {
	line, rest := nextLine(head)
	sp := bytes.IndexByte(line, ' ')
	method, target := line[:sp], line[sp+1:len(line)-len(" HTTP/1.1")]
	switch string(method) {
	case "GET":
		b = append(b, 0x80|indexMethod)
	case "POST":
		b = append(b, 0x80|indexPost)
	default:
		b = appendIndexed(b, indexMethod, method)
	}
	b = append(b, 0x80|scheme)
	line, rest = nextLine(rest)
	b = appendIndexed(b, indexAuthority, line[len("Host: "):])
	if string(target) == "/" {
		b = append(b, 0x80|indexPath)
	} else {
		b = appendIndexed(b, indexPath, target)
	}
	return appendFields(b, rest)
}

// appendFrameHead appends the head of a frame.
func appendFrameHead(b []byte, length int, t http2.FrameType, flags http2.Flags, stream uint32) []byte {
	b = append(b, byte(length>>16), byte(length>>8), byte(length), byte(t), byte(flags))
	return binary.BigEndian.AppendUint32(b, stream)
}
