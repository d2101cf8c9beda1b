package http2

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// blocked is a handler that waits until it is released or the stream is reset.
func blocked(release chan struct{}) func(*Stream) {
	return func(s *Stream) {
		reset := make(chan struct{})
		s.OnReset(func() { close(reset) })
		select {
		case <-release:
		case <-reset:
		}
		_ = s.WriteHead([]byte("HTTP/1.1 204 No Content\r\n\r\n"), nil, true)
	}
}

func TestH5_1_ConcurrentStreams(t *testing.T) {
	config := testConfig()
	config.Limits.Streams = 3
	release := make(chan struct{})
	c := dial(t, config, blocked(release))
	for id := uint32(1); id <= 7; id += 2 {
		c.request(id, true, "GET")
	}
	c.wantReset(7, http2.ErrCodeRefusedStream)
	close(release)
	for range 3 {
		if _, ok := c.frame().(*http2.MetaHeadersFrame); !ok {
			t.Error("a stream within the limit was not served")
		}
	}
	c.request(9, true, "GET")
	if r := c.answer(9); r.status != "204" {
		t.Errorf("status %s after places became free", r.status)
	}
}

// TestH5_1_FinishedStreamsDoNotCount: a client that sees the end of a response
// may open the next stream, whatever the handler still has to do.
func TestH5_1_FinishedStreamsDoNotCount(t *testing.T) {
	config := testConfig()
	config.Limits.Streams = 1
	release := make(chan struct{})
	c := dial(t, config, func(s *Stream) {
		echo(s)
		if bytes.Contains(s.Head(), []byte("wait")) {
			<-release
		}
	})
	c.request(1, true, "GET", "wait", "1")
	c.answer(1)
	c.request(3, true, "GET")
	if r := c.answer(3); r.status != "200" {
		t.Errorf("status %s", r.status)
	}
	close(release)
}

func TestH5_2_HeadOctets(t *testing.T) {
	config := testConfig()
	config.Limits.HeadBytes = 1000
	c := dial(t, config, func(s *Stream) {
		if s.Refusal() != 431 {
			t.Errorf("refusal %d", s.Refusal())
		}
		_ = s.WriteHead([]byte("HTTP/1.1 431 Large\r\n\r\n"), nil, true)
	})
	c.request(1, true, "GET", "a", strings.Repeat("x", 900))
	if r := c.answer(1); r.status != "431" {
		t.Errorf("status %s", r.status)
	}
	// What a table makes of few octets counts in full.
	c.request(3, true, "GET", "b", strings.Repeat("y", 500), "b", strings.Repeat("y", 500))
	if r := c.answer(3); r.status != "431" {
		t.Errorf("status %s", r.status)
	}
}

func TestH5_2_Fields(t *testing.T) {
	config := testConfig()
	config.Limits.Fields = 10
	c := dial(t, config, echo)
	crumbs := []string{"cookie", "a=1", "cookie", "b=2", "cookie", "c=3", "x", "1", "x", "2", "x", "3"}
	c.request(1, true, "GET", crumbs...)
	if r := c.answer(1); r.status != "200" {
		t.Errorf("status %s at the limit", r.status)
	}
	c.request(3, true, "GET", append(crumbs, "x", "4")...)
	c.wantGoAway(http2.ErrCodeEnhanceYourCalm)
}

// TestH5_10_Bomb sends a section of one-octet references to a long field.
func TestH5_10_Bomb(t *testing.T) {
	c := dial(t, testConfig(), echo)
	section := append([]byte{}, c.fields(":method", "GET", ":scheme", "http", ":path", "/", "bomb", strings.Repeat("x", 150))...)
	section = append(section, bytes.Repeat([]byte{0x80 | 62}, 16000-len(section))...)
	c.must(c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: section, EndStream: true, EndHeaders: true}))
	c.wantGoAway(http2.ErrCodeEnhanceYourCalm)
	if n := cap(c.conn.block.lines); n > 64<<10 {
		t.Errorf("%d octets were taken for the fields", n)
	}
}

func TestH5_3_Continuations(t *testing.T) {
	for name, frames := range map[string][]string{
		"too many": strings.Split("a b c d e f g h i", " "),
		"empty":    {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, testConfig(), echo)
			c.must(c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.fields(":method", "GET", ":scheme", "http", ":path", "/")}))
			for _, f := range frames {
				var p []byte
				if f != "" {
					p = c.fields("x-"+f, "1")
				}
				c.must(c.WriteContinuation(1, false, p))
			}
			c.wantGoAway(http2.ErrCodeEnhanceYourCalm)
		})
	}
	c := dial(t, testConfig(), echo)
	c.must(c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndStream: true, BlockFragment: c.fields(":method", "GET", ":scheme", "http", ":authority", "a.test", ":path", "/")}))
	for i := range 8 {
		c.must(c.WriteContinuation(1, i == 7, c.fields("x", "1")))
	}
	if r := c.answer(1); r.status != "200" {
		t.Errorf("status %s at the limit", r.status)
	}
}

func TestH5_4_Table(t *testing.T) {
	c := dial(t, testConfig(), echo)
	c.request(1, true, "GET")
	r := c.answer(1)
	c.request(3, true, "GET")
	if again := c.answer(3); again.get("x-head") != r.get("x-head") || r.get("x-head") != "GET / HTTP/1.1" {
		t.Errorf("%v and %v", r, again)
	}
	// 4097 octets: more than we allow.
	c.must(c.WriteHeaders(http2.HeadersFrameParam{StreamID: 5, BlockFragment: []byte{0x3f, 0xe2, 0x1f}, EndStream: true, EndHeaders: true}))
	c.wantGoAway(http2.ErrCodeCompression)
}

// TestH5_4_WeUseNoTable: the peer may take its table away at any time.
func TestH5_4_WeUseNoTable(t *testing.T) {
	c := dial(t, testConfig(), echo)
	c.request(1, true, "GET")
	c.answer(1)
	c.must(c.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0}))
	c.ReadMetaHeaders.SetMaxDynamicTableSize(0)
	c.ReadMetaHeaders.SetAllowedMaxDynamicTableSize(0)
	c.request(3, true, "GET")
	if r := c.answer(3); r.status != "200" {
		t.Errorf("status %s", r.status)
	}
}

func TestH5_5_Windows(t *testing.T) {
	const window, all = 100, 70000
	config := testConfig()
	config.Limits.StreamWindow, config.Limits.ConnWindow = window, all
	release := make(chan struct{})
	defer close(release)
	t.Run("stream", func(t *testing.T) {
		c := dial(t, config, blocked(release))
		c.request(1, false, "POST")
		c.must(c.WriteData(1, false, make([]byte, window)))
		c.must(c.WriteData(1, false, []byte("x")))
		c.wantReset(1, http2.ErrCodeFlowControl)
	})
	t.Run("connection", func(t *testing.T) {
		config := config
		config.Limits.StreamWindow = all
		c := dial(t, config, blocked(release))
		c.request(1, false, "POST")
		c.request(3, false, "POST")
		for left := all; left > 0; left -= 10000 {
			c.must(c.WriteData(1, false, make([]byte, 10000)))
		}
		c.must(c.WriteData(3, false, []byte("x")))
		c.wantGoAway(http2.ErrCodeFlowControl)
	})
	t.Run("frame", func(t *testing.T) {
		c := dial(t, config, echo)
		c.request(1, false, "POST")
		c.must(c.WriteRawFrame(http2.FrameData, 0, 1, make([]byte, 16<<10+1)))
		c.wantGoAway(http2.ErrCodeFrameSize)
	})
}

func TestH5_5_CreditComesBack(t *testing.T) {
	config := testConfig()
	config.Limits.StreamWindow, config.Limits.ConnWindow = 1000, 70000
	c := dial(t, config, echo)
	c.request(1, false, "POST")
	stream, all, sent := 1000, 70000, 0
	for sent < 200000 {
		n := min(stream, all, 700)
		if n > 0 {
			// Padding is paid for and given back, too.
			c.must(c.WriteDataPadded(1, false, make([]byte, n-min(n-1, 10)-1), make([]byte, min(n-1, 10))))
			stream, all, sent = stream-n, all-n, sent+n
			continue
		}
		f, err := c.ReadFrame()
		c.must(err)
		if w, ok := f.(*http2.WindowUpdateFrame); ok && w.StreamID == 1 {
			stream += int(w.Increment)
		} else if ok {
			all += int(w.Increment)
		}
	}
	c.must(c.WriteData(1, true, nil))
	if r := c.answer(1); r.status != "200" {
		t.Errorf("status %s", r.status)
	}
}

func TestH5_6_Resets(t *testing.T) {
	t.Run("in a period", func(t *testing.T) {
		config := testConfig()
		config.Limits.Resets, config.Limits.ResetsAfter, config.Limits.Streams = 20, 1000, 1000
		c := dial(t, config, echo)
		for i := range uint32(21) {
			c.request(2*i+1, false, "POST")
			c.must(c.WriteRSTStream(2*i+1, http2.ErrCodeCancel))
		}
		c.wantGoAway(http2.ErrCodeEnhanceYourCalm)
	})
}

func TestH5_6_MostStreamsAreReset(t *testing.T) {
	b := budget{limits: &Limits{Resets: 1000, ResetPeriod: time.Hour, ResetsAfter: 100}, now: time.Now}
	b.streams = 100
	for i := range 51 {
		if err := b.reset(); (err != nil) != (i == 50) {
			t.Fatalf("after %d of 100: %v", i+1, err)
		}
	}
}

func TestH5_6_PeriodsPass(t *testing.T) {
	now := time.Unix(0, 0)
	b := budget{limits: &Limits{Resets: 2, ResetPeriod: time.Second, ResetsAfter: 1000}, now: func() time.Time { return now }}
	for range 20 {
		if err := b.reset(); err != nil {
			t.Fatal(err)
		}
		now = now.Add(600 * time.Millisecond)
	}
}

func TestH5_7_Controls(t *testing.T) {
	for name, send := range map[string]func(c *client){
		"PING":                func(c *client) { _ = c.WritePing(false, [8]byte{}) },
		"PING ack":            func(c *client) { _ = c.WritePing(true, [8]byte{}) },
		"SETTINGS":            func(c *client) { _ = c.WriteSettings() },
		"SETTINGS ack":        func(c *client) { _ = c.WriteSettingsAck() },
		"PRIORITY":            func(c *client) { _ = c.WritePriority(1, http2.PriorityParam{StreamDep: 3}) },
		"small WINDOW_UPDATE": func(c *client) { _ = c.WriteWindowUpdate(0, 1) },
		"empty DATA":          func(c *client) { _ = c.WriteData(1, false, nil) },
		"padded empty DATA":   func(c *client) { _ = c.WriteDataPadded(1, false, nil, make([]byte, 9)) },
		"unknown":             func(c *client) { _ = c.WriteRawFrame(0x77, 0, 0, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			config := testConfig()
			config.Limits.Controls, config.Limits.Replies = 50, 1000
			release := make(chan struct{})
			defer close(release)
			c := dial(t, config, blocked(release))
			c.request(1, false, "POST")
			for range 51 {
				send(c)
			}
			c.wantGoAway(http2.ErrCodeEnhanceYourCalm)
		})
	}
}

// TestH5_7_DataPaysForPings: who measures the round trip with each DATA frame
// is no flood.
func TestH5_7_DataPaysForPings(t *testing.T) {
	config := testConfig()
	config.Limits.Controls = 20
	c := dial(t, config, func(s *Stream) {
		_ = s.WriteHead([]byte("HTTP/1.1 200 OK\r\n\r\n"), nil, false)
		for range 100 {
			_, _ = s.Write([]byte("x"))
			_, _ = s.Read(make([]byte, 1))
		}
		_ = s.WriteEnd(nil)
	})
	c.request(1, false, "POST")
	for frames := 0; frames < 100; {
		if d, ok := c.frame().(*http2.DataFrame); ok && d.Length > 0 {
			frames++
			c.must(c.WritePing(false, [8]byte{}))
			c.must(c.WriteData(1, false, []byte("y")))
		}
	}
	c.ping()
}

func TestH5_7_Replies(t *testing.T) {
	config := testConfig()
	config.Limits.Controls = 1 << 30
	config.Limits.Replies = 100
	c := dial(t, config, echo)
	_ = c.Conn.(interface{ SetReadBuffer(int) error }).SetReadBuffer(4 << 10)
	// Nothing is read here, so that the answers pile up.
	ping := appendFrameHead(nil, 8, http2.FramePing, 0, 0)
	ping = append(ping, make([]byte, 8)...)
	flood := bytes.Repeat(ping, 1000)
	for {
		if _, err := c.Conn.Write(flood); err != nil {
			break
		}
	}
	select {
	case <-c.ended:
	case <-time.After(patience):
		t.Fatal("the flood goes on")
	}
}

func TestH5_8_StreamStall(t *testing.T) {
	config := testConfig()
	config.Limits.Stall, config.Limits.StallBytes = 50*time.Millisecond, 0
	done := make(chan error, 1)
	c := dial(t, config, func(s *Stream) {
		done <- s.WriteHead([]byte("HTTP/1.1 200 OK\r\n\r\n"), make([]byte, 100000), true)
	})
	c.request(1, true, "GET")
	for {
		if r, ok := c.frame().(*http2.RSTStreamFrame); ok {
			if r.ErrCode != http2.ErrCodeCancel {
				t.Errorf("reset with %v", r.ErrCode)
			}
			break
		}
	}
	if err := <-done; err == nil {
		t.Error("the handler was told that all is well")
	}
	c.request(3, true, "GET") // the connection lives
	c.frame()
}

func TestH5_8_ConnectionCrawls(t *testing.T) {
	config := testConfig()
	config.Limits.Stall = 100 * time.Millisecond
	c := dial(t, config, func(s *Stream) {
		_ = s.WriteHead([]byte("HTTP/1.1 200 OK\r\n\r\n"), make([]byte, 200000), true)
	})
	c.request(1, true, "GET")
	stop := make(chan struct{})
	crawling := make(chan struct{})
	go func() { // one octet at a time
		defer close(crawling)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				_ = c.WriteWindowUpdate(0, 1)
				_ = c.WriteWindowUpdate(1, 1)
			}
		}
	}()
	for {
		f, err := c.ReadFrame()
		if err != nil {
			t.Fatalf("no GOAWAY: %v", err)
		}
		if g, ok := f.(*http2.GoAwayFrame); ok {
			if g.ErrCode != http2.ErrCodeEnhanceYourCalm {
				t.Errorf("GOAWAY %v", g.ErrCode)
			}
			break
		}
	}
	close(stop)
	<-crawling
	c.wantEnd()
}

func TestH5_9_Total(t *testing.T) {
	config := testConfig()
	config.Limits.Total = 5
	c := dial(t, config, echo)
	for i := range uint32(5) {
		c.request(2*i+1, true, "GET")
	}
	served, goAways := 0, 0
	for {
		f, err := c.ReadFrame()
		if err != nil {
			break
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			served++
		case *http2.PingFrame:
			c.must(c.WritePing(true, f.Data))
		case *http2.GoAwayFrame:
			if goAways++; f.ErrCode != http2.ErrCodeNo {
				t.Errorf("GOAWAY %v", f.ErrCode)
			}
		}
	}
	if served != 5 || goAways != 2 {
		t.Errorf("%d streams were served, %d GOAWAY", served, goAways)
	}
}

func TestH5_9_Age(t *testing.T) {
	config := testConfig()
	config.Limits.Age = 20 * time.Millisecond
	config.HeadTime = 10 * time.Millisecond
	c := dial(t, config, echo)
	c.wantGoAway(http2.ErrCodeNo)
}

func TestH5_11_ResetStreamsKeepTheirPlace(t *testing.T) {
	config := testConfig()
	config.Limits.Streams = 1
	told, release := make(chan struct{}), make(chan struct{})
	c := dial(t, config, func(s *Stream) {
		if strings.HasPrefix(string(s.Head()), "POST") {
			s.OnReset(func() { close(told) })
			<-release
			return
		}
		echo(s)
	})
	c.request(1, false, "POST")
	c.must(c.WriteRSTStream(1, http2.ErrCodeCancel))
	<-told // at once
	c.request(3, true, "GET")
	c.wantReset(3, http2.ErrCodeRefusedStream)
	close(release)
	eventually(t, "the place is free", func() bool { return !c.handler.busy.Load() })
	c.request(5, true, "GET")
	if r := c.answer(5); r.status != "200" {
		t.Errorf("status %s", r.status)
	}
}

// TestH5_12_ProvokedResetsCount: each of these makes us reset a stream.
func TestH5_12_ProvokedResetsCount(t *testing.T) {
	for name, provoke := range map[string]func(c *client, id uint32){
		"window update of 0": func(c *client, id uint32) { _ = c.WriteRawFrame(http2.FrameWindowUpdate, 0, id, make([]byte, 4)) },
		"window overflow":    func(c *client, id uint32) { _ = c.WriteWindowUpdate(id, 1<<31-1) },
		"data after end":     func(c *client, id uint32) { _ = c.WriteData(id, true, nil); _ = c.WriteData(id, true, nil) },
		"wrong length":       func(c *client, id uint32) { _ = c.WriteData(id, false, []byte("toolong")) },
		"priority on itself": func(c *client, id uint32) { _ = c.WritePriority(id, http2.PriorityParam{StreamDep: id}) },
	} {
		t.Run(name, func(t *testing.T) {
			config := testConfig()
			config.Limits.Resets, config.Limits.ResetsAfter, config.Limits.Streams = 20, 1000, 1000
			release := make(chan struct{})
			defer close(release)
			c := dial(t, config, blocked(release))
			for i := range uint32(21) {
				id := 2*i + 1
				if name == "wrong length" {
					c.request(id, false, "POST", "content-length", "3")
				} else {
					c.request(id, false, "POST")
				}
				provoke(c, id)
			}
			c.wantGoAwayAfter(release)
		})
	}
}

func (c *client) wantGoAwayAfter(chan struct{}) {
	c.t.Helper()
	for {
		f, err := c.ReadFrame()
		if err != nil {
			c.t.Fatalf("connection ended without GOAWAY: %v", err)
		}
		if g, ok := f.(*http2.GoAwayFrame); ok {
			if g.ErrCode != http2.ErrCodeEnhanceYourCalm {
				c.t.Fatalf("GOAWAY %v", g.ErrCode)
			}
			return
		}
	}
}

func TestH5_13_SectionOctets(t *testing.T) {
	config := testConfig()
	config.Limits.HeadBytes = 20000
	c := dial(t, config, echo)
	// One literal that never ends: nothing is decoded, so only the octets that
	// arrive can count.
	long := append([]byte{0x00, 0x01, 'x'}, 0x7f, 0xff, 0xff, 0x00)
	c.must(c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: append(long, make([]byte, 10000)...)}))
	c.must(c.WriteContinuation(1, false, make([]byte, 10000)))
	f, err := c.ReadFrame()
	for err == nil {
		if g, ok := f.(*http2.GoAwayFrame); ok {
			if g.ErrCode != http2.ErrCodeEnhanceYourCalm && g.ErrCode != http2.ErrCodeCompression {
				t.Errorf("GOAWAY %v", g.ErrCode)
			}
			return
		}
		f, err = c.ReadFrame()
	}
	t.Fatalf("no GOAWAY: %v", err)
}

// TestDataOnItsWay: what a client sent before it heard that we have refused its
// stream is no mistake of its.
func TestDataOnItsWay(t *testing.T) {
	config := testConfig()
	config.Limits.Streams, config.Limits.Resets, config.Limits.ResetsAfter = 1, 20, 1
	release := make(chan struct{})
	defer close(release)
	c := dial(t, config, blocked(release))
	c.request(1, false, "POST")
	c.request(3, false, "POST")
	c.wantReset(3, http2.ErrCodeRefusedStream)
	for range 50 {
		c.must(c.WriteData(3, false, []byte("x")))
	}
	c.must(c.WritePing(false, [8]byte{7}))
	for {
		f, err := c.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		switch f := f.(type) {
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			t.Fatalf("answered with %v", f)
		case *http2.PingFrame:
			return
		}
	}
}
