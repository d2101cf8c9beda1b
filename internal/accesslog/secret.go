package accesslog

import "bytes"

// hidden stands for a value that is nobody's to read (H8.6).
const hidden = "***"

// isSecret reports whether a parameter of a query has a name under which people
// send credentials, in any case.
func isSecret(name []byte) bool {
	const longest = 32
	if len(name) < 3 || len(name) > longest {
		return false
	}
	var lower [longest]byte
	switch string(appendLower(lower[:0], name)) {
	case "sig", "token", "access_token", "refresh_token", "id_token", "auth_token", "password", "passwd", "secret", "client_secret",
		"api_key", "apikey", "api-key", "x-api-key", "x-amz-signature", "x-amz-security-token", "x-goog-signature":
		return true
	}
	return false
}

// appendTarget appends a URI, or the query of one, within limit and without the
// values of secret parameters.
func (t *template) appendTarget(b, uri []byte, isQuery bool, limit int) []byte {
	at := 0
	if !isQuery {
		at = bytes.IndexByte(uri, '?') + 1
	}
	if !isQuery && at == 0 || !hasSecret(uri[at:]) {
		return appendEscaped(b, uri, limit, t.escape)
	}
	clean := append(make([]byte, 0, len(uri)), uri[:at]...)
	for rest := uri[at:]; ; {
		pair, after, more := bytes.Cut(rest, []byte{'&'})
		if name, _, ok := bytes.Cut(pair, []byte{'='}); ok && isSecret(name) {
			clean = append(append(append(clean, name...), '='), hidden...)
		} else {
			clean = append(clean, pair...)
		}
		if !more {
			return appendEscaped(b, clean, limit, t.escape)
		}
		clean, rest = append(clean, '&'), after
	}
}

func hasSecret(query []byte) bool {
	for more := len(query) > 0; more; {
		var pair []byte
		pair, query, more = bytes.Cut(query, []byte{'&'})
		if name, _, ok := bytes.Cut(pair, []byte{'='}); ok && isSecret(name) {
			return true
		}
	}
	return false
}
