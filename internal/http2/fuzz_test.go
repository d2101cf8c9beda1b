package http2

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"sort"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"daemun/internal/http1"
)

// tape is a connection whose peer has sent everything it will.
type tape struct {
	in io.Reader
}

func (t *tape) Read(p []byte) (int, error)       { return t.in.Read(p) }
func (t *tape) Write(p []byte) (int, error)      { return len(p), nil }
func (t *tape) Close() error                     { return nil }
func (t *tape) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (t *tape) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (t *tape) SetDeadline(time.Time) error      { return nil }
func (t *tape) SetReadDeadline(time.Time) error  { return nil }
func (t *tape) SetWriteDeadline(time.Time) error { return nil }

// FuzzFrames gives arbitrary octets to a server and to a client: neither panics,
// each comes to its end, and no memory beyond the limits is taken. A head that a
// handler gets is one that the HTTP/1 parser takes or refuses, never one that it
// waits for the end of.
func FuzzFrames(f *testing.F) {
	var b bytes.Buffer
	framer := http2.NewFramer(&b, nil)
	_ = framer.WriteSettings()
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: []byte{0x82, 0x86, 0x84}})
	_ = framer.WriteData(1, true, []byte("body"))
	f.Add(b.Bytes())
	f.Add([]byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x03\x01\x05\x00\x00\x00\x01\x82\x86\x84\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x08"))
	f.Add([]byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x02\x01\x00\x00\x00\x00\x01\x82\x86\x00\x00\x01\x09\x04\x00\x00\x00\x01\x84"))
	f.Fuzz(func(t *testing.T, in []byte) {
		config := testConfig()
		config.Handler = &handler{serve: func(s *Stream) {
			if s.Refusal() == 0 {
				var req http1.Request
				limits := http1.RequestLimits()
				if n, err := req.Parse(s.Head(), &limits); err == http1.ErrIncomplete || err == nil && n != len(s.Head()) {
					t.Errorf("head %q: %d octets, %v", s.Head(), n, err)
				}
			}
			echo(s)
		}}
		server := &tape{in: io.MultiReader(strings.NewReader(Preface), bytes.NewReader(in))}
		var source http1.Reader
		source.Reset(server)
		c := NewServer(server, &source, config)
		c.Serve()
		source.Reset(nil)
		if len(c.streams) != 0 {
			t.Errorf("%d streams are left", len(c.streams))
		}

		peer := &tape{in: bytes.NewReader(in)}
		source.Reset(peer)
		own := NewClient(peer, &source, testConfig())
		st, err := own.Reserve()
		if err != nil {
			t.Fatal(err)
		}
		_ = st.WriteRequest(Request{Head: []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")}, nil, true)
		own.Run()
		source.Reset(nil)
		_ = st.SetReadDeadline(time.Unix(1, 0)) // nothing more comes
		for err == nil {
			var head []byte
			if head, _, err = st.ReadHead(); err == nil {
				var resp http1.Response
				limits := http1.ResponseLimits()
				if n, perr := resp.Parse(head, &limits, false); perr == http1.ErrIncomplete || perr == nil && n != len(head) {
					t.Errorf("head %q: %d octets, %v", head, n, perr)
				}
			}
		}
		st.Release(Cancel)
	})
}

// FuzzSection: what a section becomes says what the section said, and nothing
// else (H12.2).
func FuzzSection(f *testing.F) {
	f.Add("GET", "/x?y", "a.test", "a", "b", "cookie", "c=d", true)
	f.Add("POST", "/", "a.test:80", "content-length", "3", "x", "", false)
	f.Add("OPTIONS", "*", "[::1]", "te", "trailers", "x-y", "\xff", true)
	f.Fuzz(func(t *testing.T, method, path, authority, name1, value1, name2, value2 string, end bool) {
		limits := DefaultLimits()
		b := block{limits: &limits}
		b.dec = hpack.NewDecoder(4096, b.emit)
		b.begin(1, end)
		for _, field := range [][2]string{{":method", method}, {":scheme", "http"}, {":authority", authority}, {":path", path}, {name1, value1}, {name2, value2}} {
			b.emit(hpack.HeaderField{Name: field[0], Value: field[1]})
		}
		head, refusal, bad := b.request(nil)
		if refusal != 0 || bad != "" || method == "CONNECT" {
			return
		}
		var req http1.Request
		parse := http1.RequestLimits()
		parse.Underscores = http1.UnderscoresKeep
		n, err := req.Parse(head, &parse)
		if err == http1.ErrIncomplete {
			t.Fatalf("%q is not complete", head)
		}
		if err != nil {
			return
		}
		if n != len(head) || string(req.Method) != method || string(req.Target) != path || string(req.Authority) != authority {
			t.Fatalf("%q was read as %q %q %q, %d octets", head, req.Method, req.Target, req.Authority, n)
		}
		want := []string{"host=" + authority}
		for _, field := range [][2]string{{name1, value1}, {name2, value2}} {
			if field[0] != "host" && field[0] != "cookie" {
				want = append(want, field[0]+"="+field[1])
			}
		}
		var got []string
		for _, field := range req.Fields {
			switch {
			case field.ID == http1.FieldCookie, field.ID == http1.FieldTransferEncoding, field.ID == http1.FieldContentLength && b.length < 0:
				continue
			}
			got = append(got, string(field.Name)+"="+string(field.Value))
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("fields %q became %q", want, got)
		}
	})
}

// FuzzSequence plays well-formed requests to our server and to that of
// golang.org/x/net: both answer them in the same way.
func FuzzSequence(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add([]byte{0x13, 0x37, 0xff, 0x80, 0x41})
	f.Fuzz(func(t *testing.T, plan []byte) {
		if len(plan) > 12 {
			plan = plan[:12]
		}
		ours := play(t, plan, func(nc net.Conn) {
			config := testConfig()
			config.Handler = &handler{serve: func(s *Stream) {
				body, err := io.ReadAll(s)
				if err != nil {
					return
				}
				sum := fmt.Sprintf("X-Method: %s\r\nX-Trailer: %d\r\n", strings.Fields(string(s.Head()))[0], len(s.Trailers()))
				_ = s.WriteHead([]byte("HTTP/1.1 200 OK\r\n"+sum+"\r\n"), body, true)
			}}
			var source http1.Reader
			source.Reset(nc)
			NewServer(nc, &source, config).Serve()
			nc.Close()
			source.Reset(nil)
		})
		theirs := play(t, plan, func(nc net.Conn) {
			(&http2.Server{}).ServeConn(nc, &http2.ServeConnOpts{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					return
				}
				trailer := 0
				for name, values := range r.Trailer {
					for _, v := range values {
						trailer += len(name) + len(v) + len(": \r\n")
					}
				}
				if trailer > 0 {
					trailer += len("\r\n")
				}
				w.Header().Set("X-Method", r.Method)
				w.Header().Set("X-Trailer", fmt.Sprint(trailer))
				_, _ = w.Write(body)
			})})
		})
		if ours != theirs {
			t.Errorf("plan %v\nours:\n%s\ntheirs:\n%s", plan, ours, theirs)
		}
	})
}

// play sends one request for each octet of plan, all at once, and prints the
// responses.
func play(t *testing.T, plan []byte, serve func(net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = nc.SetDeadline(time.Now().Add(patience))
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		serve(server)
	}()
	defer func() {
		nc.Close()
		<-done
	}()
	var out bytes.Buffer
	out.WriteString(Preface)
	framer := http2.NewFramer(&out, nc)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = framer.WriteSettings()
	var section bytes.Buffer
	enc := hpack.NewEncoder(&section)
	for i, p := range plan {
		writeRequest(framer, enc, &section, uint32(2*i+1), p)
	}
	if _, err := nc.Write(out.Bytes()); err != nil {
		t.Fatal(err)
	}
	return results(t, framer, len(plan))
}

// writeRequest makes a request of the bits of p.
func writeRequest(framer *http2.Framer, enc *hpack.Encoder, section *bytes.Buffer, id uint32, p byte) {
	field := func(name, value string) { _ = enc.WriteField(hpack.HeaderField{Name: name, Value: value}) }
	body := strings.Repeat("b", int(p>>4)*100)
	trailers, split, pad := p&1 != 0, p&2 != 0, p&4 != 0
	section.Reset()
	field(":method", []string{"GET", "POST", "PUT", "DELETE"}[p>>6])
	field(":scheme", "http")
	field(":authority", "a.test")
	field(":path", fmt.Sprintf("/%d", p))
	if p&8 != 0 && !trailers {
		field("content-length", fmt.Sprint(len(body)))
	}
	if trailers {
		field("trailer", "X-Sum")
	}
	end := body == "" && !trailers
	block := section.Bytes()
	if split {
		_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block[:len(block)/2], EndStream: end})
		_ = framer.WriteContinuation(id, true, block[len(block)/2:])
	} else {
		_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndStream: end, EndHeaders: true})
	}
	if body != "" {
		_ = framer.WriteData(id, false, []byte(body[:len(body)/3]))
		var padding []byte
		if pad {
			padding = make([]byte, 7)
		}
		_ = framer.WriteDataPadded(id, !trailers, []byte(body[len(body)/3:]), padding)
	}
	if trailers {
		section.Reset()
		field("x-sum", "1")
		_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: section.Bytes(), EndStream: true, EndHeaders: true})
	}
}

// results reads until n streams have ended.
func results(t *testing.T, framer *http2.Framer, n int) string {
	texts := map[uint32]string{}
	for ended := 0; ended < n; {
		f, err := framer.ReadFrame()
		if err != nil {
			t.Fatalf("after %d of %d streams: %v", ended, n, err)
		}
		id := f.Header().StreamID
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			texts[id] += f.PseudoValue("status")
			for _, h := range f.RegularFields() {
				if strings.HasPrefix(h.Name, "x-") {
					texts[id] += " " + h.Name + "=" + h.Value
				}
			}
			texts[id] += " "
			if f.StreamEnded() {
				ended++
			}
		case *http2.DataFrame:
			texts[id] += string(f.Data())
			if f.StreamEnded() {
				ended++
			}
		case *http2.RSTStreamFrame:
			texts[id] += " reset " + f.ErrCode.String()
			ended++
		case *http2.GoAwayFrame:
			t.Fatalf("GOAWAY %v", f.ErrCode)
		}
	}
	var lines []string
	for id, text := range texts {
		lines = append(lines, fmt.Sprintf("%03d %s", id, text))
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}
