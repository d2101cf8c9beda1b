package echo

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestGRPC(t *testing.T) {
	t.Parallel()
	address := start(t, time.Now, []string{"grpc"}, "GRPC_ECHO_SERVER=1", "POD_NAME=pod-1").find("grpc")
	tr := &http.Transport{Protocols: new(http.Protocols)}
	defer tr.CloseIdleConnections()
	tr.Protocols.SetUnencryptedHTTP2(true)
	long := strings.Repeat("x", 300) // its length takes two octets
	cases := []struct {
		method, message, status string
	}{
		{"Echo", "\x00\x00\x00\x00\x00", "0"},
		{"EchoTwo", "\x00\x00\x00\x00\x02ab", "0"},
		{"EchoThree", "\x00\x00\x00\x00\x00", "12"},
		{"Echo", "\x01\x00\x00\x00\x00", "12"},
		{"Echo", "", "3"},
		{"Echo", "\x00\x00\x00\x00\x09ab", "3"},
	}
	for _, c := range cases {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+grpcService+c.method, strings.NewReader(c.message))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/grpc")
		req.Header.Set("X-Long", long)
		resp, err := (&http.Client{Transport: tr}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if got := resp.Header.Get("Grpc-Status") + resp.Trailer.Get("Grpc-Status"); err != nil || got != c.status {
			t.Errorf("%s %q: %v, status %q; want %s", c.method, c.message, err, got, c.status)
		}
		if c.status != "0" {
			continue
		}
		if len(body) < 5 || !bytes.Equal(body[:5], grpcFrame(body[5:])[:5]) || !bytes.Contains(body, append([]byte("\x22\x05pod-1"), nil...)) || !bytes.Contains(body, append([]byte("\x12\xac\x02"), long...)) {
			t.Errorf("%s: %q", c.method, body)
		}
	}
}
