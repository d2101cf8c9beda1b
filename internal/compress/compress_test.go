package compress

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"

	"daemun/internal/ir"
)

func both() *ir.Compression {
	return &ir.Compression{
		Gzip:        &ir.Coding{Level: 1, MinLength: 256, Types: []string{"application/json", "text/css"}},
		Brotli:      &ir.Coding{Level: 4, MinLength: 20, Types: []string{"text/css"}},
		GzipDisable: []string{`MSIE [4-6]\.`},
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	s := New(nil, both())
	html := Response{Status: 200, ContentType: []byte("text/html; charset=utf-8"), Length: 1000}
	with := func(change func(*Response)) Response {
		r := html
		change(&r)
		return r
	}
	for _, c := range []struct {
		name   string
		resp   Response
		accept string
		agent  string
		want   Coding
		varies bool
	}{
		{"gzip", html, "gzip", "", Gzip, true},
		{"equal weights take brotli", html, "gzip, deflate, br", "", Brotli, true},
		{"the heavier wins", html, "gzip, br;q=0.9", "", Gzip, true},
		{"weight 0 refuses", html, "gzip;q=0, br;q=0.000", "", Identity, true},
		{"a star stands for both", html, "*", "", Brotli, true},
		{"a name goes before the star", html, "*;q=0, gzip", "", Gzip, true},
		{"a broken weight refuses", html, "gzip;q=x", "", Identity, true},
		{"case and blanks", html, " GZip ; Q=1.0", "", Gzip, true},
		{"nothing accepted", html, "", "", Identity, true},
		{"unlisted type", with(func(r *Response) { r.ContentType = []byte("image/png") }), "gzip", "", Identity, false},
		{"no type", with(func(r *Response) { r.ContentType = nil }), "gzip", "", Identity, false},
		{"a type of one coding only", with(func(r *Response) { r.ContentType = []byte("Application/JSON") }), "br, gzip;q=0.1", "", Gzip, true},
		{"too short for gzip", with(func(r *Response) { r.Length = 255 }), "gzip", "", Identity, true},
		{"long enough for brotli", with(func(r *Response) { r.Length = 20 }), "gzip, br", "", Brotli, true},
		{"too short for both", with(func(r *Response) { r.Length = 19 }), "gzip, br", "", Identity, false},
		{"unknown length", with(func(r *Response) { r.Length = -1 }), "gzip", "", Gzip, true},
		{"404", with(func(r *Response) { r.Status = 404 }), "gzip", "", Gzip, true},
		{"206", with(func(r *Response) { r.Status = 206 }), "gzip", "", Identity, false},
		{"500", with(func(r *Response) { r.Status = 500 }), "gzip", "", Identity, false},
		{"disabled agent", html, "gzip", "Mozilla (msie 6.0)", Identity, true},
	} {
		req := Request{AcceptEncoding: []byte(c.accept), UserAgent: []byte(c.agent)}
		if got, varies := s.Choose(&c.resp, &req); got != c.want || varies != c.varies {
			t.Errorf("%s: %v, %v; want %v, %v", c.name, got, varies, c.want, c.varies)
		}
	}
}

func TestStarCoversAllTypesButGRPC(t *testing.T) {
	t.Parallel()
	s := New(nil, &ir.Compression{Gzip: &ir.Coding{Level: 1, Types: []string{"*"}}})
	req := Request{AcceptEncoding: []byte("gzip")}
	for kind, want := range map[string]Coding{"image/png": Gzip, "application/grpc": Identity, "application/grpc+proto": Identity, "application/grpc-web": Identity} {
		if got, _ := s.Choose(&Response{Status: 200, ContentType: []byte(kind), Length: -1}, &req); got != want {
			t.Errorf("%s: %v, want %v", kind, got, want)
		}
	}
}

func unpack(t *testing.T, c Coding, packed []byte) string {
	t.Helper()
	var r io.Reader = brotli.NewReader(bytes.NewReader(packed))
	if c == Gzip {
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		r = z
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestWriterIsUsedAgain: what one content left behind is not in the next one.
func TestWriterIsUsedAgain(t *testing.T) {
	t.Parallel()
	s := New(nil, both())
	for _, c := range []Coding{Gzip, Brotli} {
		for i, text := range []string{strings.Repeat("abc ", 5000), "x", ""} {
			w, ok := s.Writer(c, 18)
			if !ok {
				t.Fatal("no writer")
			}
			var packed []byte
			take := func() {
				packed = append(packed, w.Out()[18:]...)
				w.Take()
			}
			_ = w.Write([]byte(text))
			_ = w.Flush()
			take()
			if i == 0 { // given back in the middle of a content
				s.Put(w)
				continue
			}
			_ = w.Close()
			take()
			s.Put(w)
			if got := unpack(t, c, packed); got != text {
				t.Errorf("%v: %q, want %q", c, got, text)
			}
		}
	}
}

func TestWritersAreBounded(t *testing.T) {
	t.Parallel()
	s := New(nil, both())
	s.active.Store(maxActive)
	if _, ok := s.Writer(Gzip, 0); ok {
		t.Error("one more than may be")
	}
	s.active.Store(0)
}

func TestEqualSettingsKeepTheirPools(t *testing.T) {
	t.Parallel()
	s := New(nil, both())
	if New(s, both()) != s {
		t.Error("equal settings were compiled again")
	}
	if New(s, nil) != nil || New(s, &ir.Compression{}) == s {
		t.Error("other settings were not")
	}
}

func TestChooseDoesNotAllocate(t *testing.T) {
	s := New(nil, both())
	resp := Response{Status: 200, ContentType: []byte("text/css;charset=utf-8"), Length: 5000}
	req := Request{AcceptEncoding: []byte("gzip, deflate, br;q=0.5")}
	if n := testing.AllocsPerRun(100, func() { s.Choose(&resp, &req) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzWeights(f *testing.F) {
	for _, s := range []string{"gzip", "gzip;q=0.5, br;q=1", "*;q=0", ";;,,", "gzip;q=", "br;q=1.0000"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		gzip, brotli := weights(b)
		if gzip < 0 || gzip > 1000 || brotli < 0 || brotli > 1000 {
			t.Errorf("%q: %d, %d", b, gzip, brotli)
		}
	})
}
