package http1

import (
	"io"
	"strings"
	"testing"
)

const smallGET = "GET /api/v1/items?page=2 HTTP/1.1\r\n" +
	"Host: shop.example.com\r\n" +
	"User-Agent: curl/8.5.0\r\n" +
	"Accept: */*\r\n" +
	"Accept-Encoding: gzip\r\n" +
	"X-Request-ID: 8a7f6e5d4c3b2a19\r\n" +
	"X-Api-Key: 0123456789abcdef\r\n" +
	"Content-Type: application/json\r\n" +
	"Connection: keep-alive\r\n\r\n"

const browserGET = "GET /products/12345/reviews?sort=newest&lang=en HTTP/1.1\r\n" +
	"Host: shop.example.com\r\n" +
	"Connection: keep-alive\r\n" +
	"sec-ch-ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\"\r\n" +
	"sec-ch-ua-mobile: ?0\r\n" +
	"sec-ch-ua-platform: \"Linux\"\r\n" +
	"Upgrade-Insecure-Requests: 1\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
	"Sec-Fetch-Site: same-origin\r\n" +
	"Sec-Fetch-Mode: navigate\r\n" +
	"Sec-Fetch-User: ?1\r\n" +
	"Sec-Fetch-Dest: document\r\n" +
	"Referer: https://shop.example.com/products/12345\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n" +
	"Cookie: session=0d9f8e7c6b5a49382716; theme=dark; _ga=GA1.2.1234567890.1700000000; cart=eyJpdGVtcyI6W3siaWQiOjEsInF0eSI6Mn1dfQ\r\n\r\n"

const plainResponse = "HTTP/1.1 200 OK\r\n" +
	"Server: nginx\r\n" +
	"Date: Sat, 21 Nov 2026 02:00:00 GMT\r\n" +
	"Content-Type: application/json\r\n" +
	"Content-Length: 512\r\n" +
	"Cache-Control: no-cache\r\n" +
	"X-Powered-By: Express\r\n" +
	"Set-Cookie: id=4711; Path=/; HttpOnly\r\n\r\n"

func BenchmarkRequestParse(b *testing.B) {
	for name, text := range map[string]string{"small": smallGET, "browser": browserGET, "cookie4k": cookieGET()} {
		b.Run(name, func(b *testing.B) {
			in, lim := []byte(text), RequestLimits()
			var r Request
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				if n, err := r.Parse(in, &lim); n != len(in) || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}

func cookieGET() string {
	return "GET / HTTP/1.1\r\nHost: a\r\nCookie: " + strings.Repeat("k=0123456789;", 315) + "\r\n\r\n"
}

func BenchmarkResponseParse(b *testing.B) {
	in, lim := []byte(plainResponse), ResponseLimits()
	var r Response
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if n, err := r.Parse(in, &lim, false); n != len(in) || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkChunkedBody(b *testing.B) {
	for name, size := range map[string]int{"100": 100, "4096": 4096, "65536": 65536} {
		b.Run(name, func(b *testing.B) {
			var wire []byte
			for range max(1, 64<<10/size) {
				wire = AppendChunkEnd(append(AppendChunkHeader(wire, size), make([]byte, size)...))
			}
			wire = AppendLastChunk(wire, nil)
			lim, p := RequestLimits(), make([]byte, 32<<10)
			var conn pieces
			var rd Reader
			var body BodyReader
			b.SetBytes(int64(len(wire)))
			b.ReportAllocs()
			for b.Loop() {
				conn = pieces{octets: wire, err: io.EOF}
				rd.Reset(&conn)
				body.Reset(&rd, BodyChunked, 0, &lim)
				for !body.Done() {
					if _, err := body.Read(p); err != nil && err != io.EOF {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func BenchmarkBuildHead(b *testing.B) {
	lim := RequestLimits()
	var r Request
	if _, err := r.Parse([]byte(browserGET), &lim); err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendRequestLine(dst[:0], r.Method, r.Target, 1)
		for i := range r.Fields {
			if f := &r.Fields[i]; !f.Hop {
				dst = AppendField(dst, f.Name, f.Value)
			}
		}
		dst = AppendHeadEnd(dst)
	}
}
