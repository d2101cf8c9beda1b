package http1

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// TestH12_3_EveryReason provokes each refusal once, so that none exists without
// a message that leads to it.
func TestH12_3_EveryReason(t *testing.T) {
	t.Parallel()
	const chunked = "POST / HTTP/1.1^Host: a^Transfer-Encoding: chunked^^"
	messages := map[Reason]string{
		ReasonBareLF:          "GET / HTTP/1.1\n",
		ReasonBareCR:          field("X: a\rb"),
		ReasonRequestLine:     "GET /^",
		ReasonEmptyLines:      "^^",
		ReasonMethod:          "G(T / HTTP/1.1^",
		ReasonVersion:         "GET / HTTP/2.0^",
		ReasonVersionSyntax:   "GET / HTTP/1^",
		ReasonFieldName:       field("X"),
		ReasonFolding:         field(" X"),
		ReasonFieldValue:      field("X: \x01"),
		ReasonUnderscore:      field("X_A: 1"),
		ReasonTarget:          "GET /# HTTP/1.1^",
		ReasonTargetForm:      "GET x HTTP/1.1^",
		ReasonConnect:         "CONNECT a:1 HTTP/1.1^",
		ReasonTrace:           "TRACE / HTTP/1.1^",
		ReasonTEAndCL:         field("Transfer-Encoding: chunked^Content-Length: 1"),
		ReasonTEInHTTP10:      "GET / HTTP/1.0^Transfer-Encoding: chunked^^",
		ReasonTE:              field("Transfer-Encoding: x"),
		ReasonTEUnknown:       field("Transfer-Encoding: x, chunked"),
		ReasonContentLength:   field("Content-Length: x"),
		ReasonDuplicateCL:     field("Content-Length: 1^Content-Length: 1"),
		ReasonChunkSize:       chunked + "x^",
		ReasonChunkExtension:  chunked + "1;^",
		ReasonChunkLine:       chunked + strings.Repeat("0", 300),
		ReasonChunkOverhead:   chunked + strings.Repeat("1;"+strings.Repeat("a", 200)+"^x^", 100),
		ReasonChunkEnd:        chunked + "1^xx",
		ReasonTrailer:         chunked + "0^" + strings.Repeat("A: b^", 40),
		ReasonExpect:          field("Expect: x"),
		ReasonStatusLine:      "HTTP/1.1 x^",
		ReasonNoHost:          "GET / HTTP/1.1^^",
		ReasonDuplicateHost:   field("Host: a"),
		ReasonHost:            "GET / HTTP/1.1^Host: a/b^^",
		ReasonHostMismatch:    line("GET http://b/ HTTP/1.1"),
		ReasonConnection:      field("Connection: " + strings.Repeat("x,", 40)),
		ReasonRequestLineLong: "GET /" + strings.Repeat("x", 9<<10),
		ReasonFieldLineLong:   "GET / HTTP/1.1^" + strings.Repeat("x", 17<<10),
		ReasonHeadLong:        "GET / HTTP/1.1^" + strings.Repeat("A: "+strings.Repeat("x", 1000)+"^", 40),
		ReasonFields:          "GET / HTTP/1.1^" + strings.Repeat("A: b^", 101),
	}
	for _, reason := range Reasons() {
		message, ok := messages[reason]
		if !ok {
			t.Errorf("%s: no message leads to it", reason)
			continue
		}
		lim := RequestLimits()
		if reason == ReasonUnderscore {
			lim.Underscores = UnderscoresReject
		}
		var refusal *Error
		if err := readMessage(strings.ReplaceAll(message, "^", "\r\n"), &lim); !errors.As(err, &refusal) || refusal.Reason != reason {
			t.Errorf("%s: %q gives %v", reason, clip(message), err)
		}
	}
}

// readMessage reads a whole request, or response head, from a connection.
func readMessage(in string, lim *Limits) error {
	var rd Reader
	rd.Reset(&pieces{octets: []byte(in), err: io.EOF})
	if strings.HasPrefix(in, "HTTP/") {
		_, err := new(Response).Read(&rd, lim, false)
		return err
	}
	var r Request
	n, err := r.Read(&rd, lim)
	if err != nil {
		return err
	}
	rd.Hold(n)
	var body BodyReader
	body.Reset(&rd, r.Body, r.ContentLength, lim)
	return body.Drain(1 << 20)
}
