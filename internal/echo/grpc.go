package echo

import (
	"context"
	"encoding/binary"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	grpcService = "/gateway_api_conformance.echo_basic.grpcecho.GrpcEcho/"

	// Status codes of gRPC.
	grpcOK              = 0
	grpcInvalidArgument = 3
	grpcUnimplemented   = 12
)

// runGRPC serves calls over HTTP/2 without TLS on HTTP_PORT.
func runGRPC(ctx context.Context, env environment) error {
	ctx, stop := context.WithCancel(ctx) // also when the listener fails
	defer stop()
	port, err := env.port("HTTP_PORT", "3000")
	if err != nil {
		return err
	}
	l, err := env.listen(port, "grpc")
	if err != nil {
		return err
	}
	server, waiting := newServer(grpcHandler(env))
	server.Protocols = new(http.Protocols)
	server.Protocols.SetUnencryptedHTTP2(true)
	return serveHTTP(ctx, stop, []httpListener{{listener: l, server: server, arriving: waiting}})
}

// grpcHandler answers unary calls of GrpcEcho.
func grpcHandler(env environment) http.Handler {
	who := env.identity()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			http.Error(w, "this port serves gRPC", http.StatusUnsupportedMediaType)
			return
		}
		env.log.printf("Echoing back call of %s to client (%s)", r.URL.Path, r.RemoteAddr)
		w.Header().Set("Content-Type", "application/grpc")
		status, message := grpcStatus(r)
		if status != grpcOK {
			// Without a message the head is the trailer as well.
			w.Header().Set("Grpc-Status", strconv.Itoa(status))
			w.Header().Set("Grpc-Message", message)
			return
		}
		// Servers of gRPC send no length: clients that see one stop reading there.
		_ = http.NewResponseController(w).Flush()
		_, _ = w.Write(grpcFrame(echoResponse(r, who)))
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	})
}

// grpcStatus reads the one message of a call, whose type has no fields.
func grpcStatus(r *http.Request) (code int, message string) {
	switch strings.TrimPrefix(r.URL.Path, grpcService) {
	case "Echo", "EchoTwo":
	default:
		return grpcUnimplemented, "unknown method " + r.URL.Path
	}
	const frameHead = 5 // compressed?, length
	head := make([]byte, frameHead)
	if _, err := io.ReadFull(r.Body, head); err != nil {
		return grpcInvalidArgument, "the call has no message"
	}
	if head[0] != 0 {
		return grpcUnimplemented, "compressed messages are not read"
	}
	// Unknown fields are allowed, so what the message says does not matter.
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil || n != int64(binary.BigEndian.Uint32(head[1:])) {
		return grpcInvalidArgument, "a call has exactly one message"
	}
	return grpcOK, ""
}

// grpcFrame puts the head of a message before it.
func grpcFrame(message []byte) []byte {
	frame := append(make([]byte, 1, len(message)+5), 0, 0, 0, 0)
	binary.BigEndian.PutUint32(frame[1:], uint32(len(message)))
	return append(frame, message...)
}

// echoResponse is the message EchoResponse.
func echoResponse(r *http.Request, who identity) []byte {
	assertions := appendText(nil, 1, r.URL.Path)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		for _, value := range r.Header[name] {
			assertions = appendText(assertions, 2, string(grpcHeader(strings.ToLower(name), value)))
		}
	}
	assertions = appendText(assertions, 2, string(grpcHeader(":authority", r.Host)))
	assertions = appendText(assertions, 3, r.Host)
	var about []byte
	for i, text := range []string{who.Namespace, who.Ingress, who.Service, who.Pod} {
		about = appendText(about, i+1, text)
	}
	return appendText(nil, 1, string(appendText(assertions, 4, string(about))))
}

func grpcHeader(key, value string) []byte { return appendText(appendText(nil, 1, key), 2, value) }

// appendText appends a field of type string, bytes or message in the encoding
// of protocol buffers.
func appendText(to []byte, number int, text string) []byte {
	const lengthDelimited = 2
	to = append(to, byte(number<<3|lengthDelimited))
	return append(binary.AppendUvarint(to, uint64(len(text))), text...)
}
