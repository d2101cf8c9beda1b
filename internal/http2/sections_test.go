package http2

import (
	"testing"

	"golang.org/x/net/http2"
)

// TestUndecodedSectionEndsTheConnection: a HEADERS frame whose padding does not
// fit is no matter of its stream alone. Its fields were not decoded, so that
// those of later streams would mean something else to us than to the peer.
func TestUndecodedSectionEndsTheConnection(t *testing.T) {
	for name, flags := range map[string]http2.Flags{
		"whole":       http2.FlagHeadersPadded | http2.FlagHeadersEndHeaders | http2.FlagHeadersEndStream,
		"in the open": http2.FlagHeadersPadded,
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, testConfig(), echo)
			c.request(1, true, "GET")
			c.answer(1)
			c.must(c.WriteRawFrame(http2.FrameHeaders, flags, 3, []byte{200, 0x82}))
			c.wantGoAway(http2.ErrCodeProtocol)
		})
	}
}
