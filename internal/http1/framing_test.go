package http1

import (
	"fmt"
	"strings"
	"testing"
)

func TestH2_1_BothFramings(t *testing.T) {
	testRequests(t, []requestCase{
		{post("Transfer-Encoding: chunked^Content-Length: 5"), ReasonTEAndCL, ""},
		{post("Content-Length: 0^transfer-encoding: chunked"), ReasonTEAndCL, ""},
		{post("Transfer-Encoding: identity^Content-Length: 5"), ReasonTEAndCL, ""},
		{post("Transfer-Encoding:^Content-Length: 5"), ReasonTEAndCL, ""},
	})
}

func TestH2_2_ChunkedInHTTP10(t *testing.T) {
	testRequests(t, []requestCase{
		{"POST / HTTP/1.0^Host: a^Transfer-Encoding: chunked^^", ReasonTEInHTTP10, ""},
		{"POST / HTTP/1.0^Transfer-Encoding: identity^^", ReasonTEInHTTP10, ""},
	})
}

func TestH2_3_TransferEncoding(t *testing.T) {
	testRequests(t, []requestCase{
		{post("Transfer-Encoding: chunked"), reasonNone, "body=2,-1"},
		{post("TRANSFER-ENCODING: ChUnKeD"), reasonNone, "body=2,-1"},
		{post("Transfer-Encoding: \tchunked \t"), reasonNone, "body=2,-1"},
		{post("Transfer-Encoding: gzip, chunked"), ReasonTEUnknown, ""},
		{post("Transfer-Encoding: gzip^Transfer-Encoding: chunked"), ReasonTEUnknown, ""},
		{post("Transfer-Encoding: identity, chunked"), ReasonTEUnknown, ""},
		{post("Transfer-Encoding: chunked, gzip"), ReasonTE, ""},
		{post("Transfer-Encoding: chunked^Transfer-Encoding: identity"), ReasonTE, ""},
		{post("Transfer-Encoding: chunked, chunked"), ReasonTE, ""},
		{post("Transfer-Encoding: chunked^Transfer-Encoding: chunked"), ReasonTE, ""},
		{post("Transfer-Encoding: gzip"), ReasonTE, ""},
		{post("Transfer-Encoding: identity"), ReasonTE, ""},
		{post("Transfer-Encoding: xchunked"), ReasonTE, ""},
		{post("Transfer-Encoding: chunked;q=1"), ReasonTE, ""},
		{post("Transfer-Encoding: gzip;q=1, chunked"), ReasonTE, ""},
		{post("Transfer-Encoding: \"chunked\""), ReasonTE, ""},
		{post("Transfer-Encoding: chunked chunked"), ReasonTE, ""},
		{post("Transfer-Encoding:"), ReasonTE, ""},
		{post("Transfer-Encoding: ,chunked"), ReasonTE, ""},
		{post("Transfer-Encoding: chunked,"), ReasonTE, ""},
		{post("Transfer-Encoding: chunked^Transfer-Encoding:"), ReasonTE, ""},
		{post("Transfer-Encoding: chu\x00nked"), ReasonFieldValue, ""},
	})
}

func TestH2_4_ContentLength(t *testing.T) {
	testRequests(t, []requestCase{
		{post("Content-Length: 5"), reasonNone, "body=1,5"},
		{post("Content-Length: 0"), reasonNone, "body=0,0"},
		{post("Content-Length: 0005"), reasonNone, "body=1,5"},
		{post("X: a"), reasonNone, "body=0,-1"},
		{post("Content-Length: 9223372036854775806"), reasonNone, "body=1,9223372036854775806"},
		{post("Content-Length: 9223372036854775807"), reasonNone, "body=1,9223372036854775807"},
		{post("Content-Length: 9223372036854775808"), ReasonContentLength, ""},
		{post("Content-Length: 9999999999999999999"), ReasonContentLength, ""},
		{post("Content-Length: 00000000000000000005"), ReasonContentLength, ""},
		{post("Content-Length: 18446744073709551621"), ReasonContentLength, ""},
		{post("Content-Length: +5"), ReasonContentLength, ""},
		{post("Content-Length: -5"), ReasonContentLength, ""},
		{post("Content-Length: 0x5"), ReasonContentLength, ""},
		{post("Content-Length: 5 5"), ReasonContentLength, ""},
		{post("Content-Length: 5,5"), ReasonContentLength, ""},
		{post("Content-Length: 5, 6"), ReasonContentLength, ""},
		{post("Content-Length: 5.0"), ReasonContentLength, ""},
		{post("Content-Length: 1_0"), ReasonContentLength, ""},
		{post("Content-Length: \xd9\xa5"), ReasonContentLength, ""},
		{post("Content-Length:"), ReasonContentLength, ""},
		{post("Content-Length: 5^Content-Length: 5"), ReasonDuplicateCL, ""},
		{post("Content-Length: 5^content-length: 6"), ReasonDuplicateCL, ""},
	})
}

func TestH2_9_ContentOnAnyMethod(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "DELETE", "BREW"} {
		testRequestsWith(t, RequestLimits(), []requestCase{
			{method + " / HTTP/1.1^Host: a^Content-Length: 5^^", reasonNone, "body=1,5"},
			{method + " / HTTP/1.1^Host: a^Transfer-Encoding: chunked^^", reasonNone, "body=2,-1"},
		})
	}
}

func TestH2_13_Expect(t *testing.T) {
	testRequests(t, []requestCase{
		{post("Content-Length: 5^Expect: 100-continue"), reasonNone, "expect=true"},
		{post("Transfer-Encoding: chunked^Expect: 100-Continue"), reasonNone, "expect=true"},
		{post("Expect: 100-continue"), reasonNone, "expect=false"}, // no body to wait with
		{"POST / HTTP/1.0^Content-Length: 5^Expect: 100-continue^^", reasonNone, "expect=false"},
		{post("Content-Length: 5^Expect: 100-continue, x"), ReasonExpect, ""},
		{post("Content-Length: 5^Expect: 200-ok"), ReasonExpect, ""},
		{post("Content-Length: 5^Expect:"), ReasonExpect, ""},
		{post("Content-Length: 5^Expect: 100-continue^Expect: y"), ReasonExpect, ""},
		{post("Content-Length: 5^Transfer-Encoding: chunked^Expect: y"), ReasonTEAndCL, ""},
	})
}

func TestH3_1_HostCount(t *testing.T) {
	testRequests(t, []requestCase{
		{"GET / HTTP/1.1^^", ReasonNoHost, ""},
		{"GET / HTTP/1.0^^", reasonNone, `authority=""`},
		{"GET / HTTP/1.0^Host: a^^", reasonNone, `authority="a"`},
		{"GET / HTTP/1.1^Host: a^Host: a^^", ReasonDuplicateHost, ""},
		{"GET / HTTP/1.1^Host: a^hOsT: b^^", ReasonDuplicateHost, ""},
		{"GET / HTTP/1.0^Host: a^Host: b^^", ReasonDuplicateHost, ""},
		{"GET / HTTP/1.1^Host:^^", ReasonHost, ""},
		{"GET http://a/ HTTP/1.1^^", ReasonNoHost, ""},
		{"GET http://a/ HTTP/1.0^^", reasonNone, `authority="a"`},
	})
}

func TestH3_2_HostSyntax(t *testing.T) {
	t.Parallel()
	good := []string{
		"a", "A.Example.COM", "a.", "a-b_c~d", "a:0", "a:80", "a:65535", "1.2.3.4:8080", "[::1]", "[2001:DB8::1]:443",
		"[::ffff:1.2.3.4]", "xn--bcher-kva.example", strings.Repeat("a", 255),
	}
	bad := []string{
		"a:", "a:65536", "a:99999", "a:080000", "a:-1", "a:+1", "a:http", "a:80:80", ":80", "u@a", "a/b", "a b", "a,b", "a%2eb", "a?b", "a\\b",
		"a;b", "a'b", "a..b", "..", ".", ".a", "[::1", "::1", "[::1]x", "[::1]:", "[fe80::1%25eth0]", "[1.2.3.4]", "[]", "[a]", "a[b]", "b\xc3\xbccher", "a\"b",
		"a\tb", "http://a", strings.Repeat("a", 256), "*", "*.a",
	}
	for _, h := range good {
		testRequestsWith(t, RequestLimits(), []requestCase{{"GET / HTTP/1.1^Host: " + h + "^^", reasonNone, fmt.Sprintf("authority=%q", h)}})
	}
	for _, h := range bad {
		testRequestsWith(t, RequestLimits(), []requestCase{{"GET / HTTP/1.1^Host: " + h + "^^", ReasonHost, ""}})
	}
}

func TestH3_3_AbsoluteForm(t *testing.T) {
	testRequests(t, []requestCase{
		{"GET http://a/ HTTP/1.1^Host: a^^", reasonNone, `authority="a"`},
		{"GET http://A:80/ HTTP/1.1^Host: a:80^^", reasonNone, `authority="a:80"`},
		{"GET http://a/ HTTP/1.1^Host: b^^", ReasonHostMismatch, ""},
		{"GET http://a/ HTTP/1.0^Host: b^^", ReasonHostMismatch, ""},
		{"GET http://a:80/ HTTP/1.1^Host: a^^", ReasonHostMismatch, ""},
		{"GET http://a:99999/ HTTP/1.1^Host: a^^", ReasonTargetForm, ""},
	})
}

func TestH4_1_HopByHop(t *testing.T) {
	testRequests(t, []requestCase{
		{
			field("Connection: close^Keep-Alive: 5^Proxy-Connection: x^TE: trailers^Trailer: T^Proxy-Authorization: b^HTTP2-Settings: s"), reasonNone,
			"Connection(connection)=\"close\" hop\nKeep-Alive(keep-alive)=\"5\" hop\nProxy-Connection(proxy-connection)=\"x\" hop\nTE(te)=\"trailers\" hop\n" +
				"Trailer(trailer)=\"T\" hop\nProxy-Authorization(proxy-authorization)=\"b\" hop\nHTTP2-Settings(http2-settings)=\"s\" hop",
		},
		{
			field("X-A: 1^Connection: x-a, close, ,B^b: 2^C: 3"), reasonNone,
			"X-A()=\"1\" hop\nConnection(connection)=\"x-a, close, ,B\" hop\nb()=\"2\" hop\nC()=\"3\"",
		},
		{field("X-A: 1^Connection: X-B^Connection: keep-alive, X-A"), reasonNone, "X-A()=\"1\" hop"},
		{field("Connection: " + strings.Repeat("a,", 32)), reasonNone, ""},
		{field("Connection: " + strings.Repeat("a,", 33)), ReasonConnection, ""},
		{field("Connection: " + strings.Repeat("close,", 100)), reasonNone, "keep=false"},
	})
}

func TestH4_2_ProtectedFields(t *testing.T) {
	testRequests(t, []requestCase{
		{
			field("Connection: host, cookie, authorization, x-forwarded-for, x-real-ip, x-forwarded-user, content-length, x-request-id^" +
				"Cookie: c^Authorization: a^X-Forwarded-For: 1^X-Real-IP: 2^X-Forwarded-User: u^X-Request-ID: r"), reasonNone,
			"Cookie(cookie)=\"c\"\nAuthorization(authorization)=\"a\"\nX-Forwarded-For(x-forwarded-for)=\"1\"\nX-Real-IP(x-real-ip)=\"2\"\n" +
				"X-Forwarded-User()=\"u\"\nX-Request-ID(x-request-id)=\"r\"",
		},
	})
}

func TestH4_4_Upgrade(t *testing.T) {
	testRequests(t, []requestCase{
		{field("Connection: Upgrade^Upgrade: websocket"), reasonNone, `upgrade="websocket"`},
		{field("Connection: keep-alive, upgrade^Upgrade: WebSocket"), reasonNone, `upgrade="WebSocket"`},
		{field("Connection: upgrade^Upgrade: other/1"), reasonNone, `upgrade="other/1"`},
		{field("Upgrade: websocket"), reasonNone, `upgrade=""`},
		{field("Connection: upgrade"), reasonNone, `upgrade=""`},
		{field("Connection: upgrade^Upgrade:"), reasonNone, `upgrade=""`},
		{field("Connection: upgrade^Upgrade: h2c"), reasonNone, `upgrade=""`},
		{field("Connection: upgrade^Upgrade: H2C"), reasonNone, `upgrade=""`},
		{field("Connection: upgrade^Upgrade: websocket, h2c"), reasonNone, `upgrade=""`},
		{field("Connection: upgrade^Upgrade: websocket^Upgrade: h2c"), reasonNone, `upgrade=""`},
		{field("Connection: upgrade^Upgrade: websocket^Upgrade:"), reasonNone, `upgrade=""`},
		{field("Connection: upgrade^Upgrade: websocket^Content-Length: 0"), reasonNone, `upgrade="websocket"`},
		{field("Connection: upgrade^Upgrade: websocket^Content-Length: 1"), reasonNone, `upgrade=""`},
		{field("Connection: upgrade^Upgrade: websocket^Transfer-Encoding: chunked"), reasonNone, `upgrade=""`},
		{"GET / HTTP/1.0^Host: a^Connection: upgrade^Upgrade: websocket^^", reasonNone, `upgrade=""`},
	})
}

func TestKeepAlive(t *testing.T) {
	testRequests(t, []requestCase{
		{field("X: a"), reasonNone, "keep=true"},
		{field("Connection: close"), reasonNone, "keep=false"},
		{field("Connection: CLOSE, keep-alive"), reasonNone, "keep=false"},
		{field("Connection: closed"), reasonNone, "keep=true"},
		{field("Connection: x;close"), reasonNone, "keep=true"},
		{"GET / HTTP/1.0^^", reasonNone, "keep=false"},
		{"GET / HTTP/1.0^Connection: Keep-Alive^^", reasonNone, "keep=true"},
		{"GET / HTTP/1.0^Connection: keep-alive, close^^", reasonNone, "keep=false"},
	})
}
