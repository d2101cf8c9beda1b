package otlp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"syscall"

	"daemun/internal/ir"
)

// portHTTP is that of OTLP/HTTP by convention.
const portHTTP = 4318

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 10

// collector holds the connections to a collector. It belongs to Run.
type collector struct {
	config  Config
	failing bool
	// grpc and plain are nil before their first use.
	grpc, plain *http.Transport
}

func (c *collector) close() {
	for _, t := range []*http.Transport{c.grpc, c.plain} {
		if t != nil {
			t.CloseIdleConnections()
		}
	}
}

// transport makes connections without TLS, and without the proxies of the
// environment: the collector is ours.
func (c *collector) transport(http2 bool) *http.Transport {
	t := &http.Transport{Protocols: new(http.Protocols), DialContext: c.dial, MaxIdleConns: 1}
	t.Protocols.SetUnencryptedHTTP2(http2)
	t.Protocols.SetHTTP1(!http2)
	return t
}

func (c *collector) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if c.config.Resolve != nil {
		if known := c.config.Resolve(host); known != "" {
			address = net.JoinHostPort(known, port)
		}
	}
	d := net.Dialer{Control: c.allowed}
	return d.DialContext(ctx, network, address)
}

// allowed asks about an address when its name has become one (H10.3).
func (c *collector) allowed(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || c.config.Filter == nil {
		return err
	}
	return c.config.Filter(to)
}

// export sends an encoded request and returns how many spans were rejected.
func (c *collector) export(ctx context.Context, t *ir.Tracing, body []byte) (rejected uint64, err error) {
	address := net.JoinHostPort(t.Host, strconv.Itoa(t.Port))
	if t.Port == portHTTP {
		return c.overHTTP(ctx, address, body)
	}
	return c.overGRPC(ctx, address, body)
}

func (c *collector) overHTTP(ctx context.Context, address string, body []byte) (uint64, error) {
	if c.plain == nil {
		c.plain = c.transport(false)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/v1/traces", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	resp, err := c.plain.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return 0, err
	case resp.StatusCode/100 != 2:
		return 0, &refusal{resp.Status}
	}
	return rejectedSpans(answer), nil
}

const grpcMethod = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

// overGRPC makes one unary call.
func (c *collector) overGRPC(ctx context.Context, address string, body []byte) (uint64, error) {
	if c.grpc == nil {
		c.grpc = c.transport(true)
	}
	framed := make([]byte, 0, 5+len(body))
	framed = append(framed, 0) // not compressed
	framed = binary.BigEndian.AppendUint32(framed, uint32(len(body)))
	framed = append(framed, body...)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+grpcMethod, bytes.NewReader(framed))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	req.Header.Set("User-Agent", "daemun")
	resp, err := c.grpc.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return 0, &refusal{resp.Status}
	}
	return rejectedSpans(unframed(answer)), grpcStatus(resp)
}

// grpcStatus reads the status of a call, from the head where there is no body.
func grpcStatus(resp *http.Response) error {
	from := resp.Trailer
	if from.Get("Grpc-Status") == "" {
		from = resp.Header
	}
	switch code := from.Get("Grpc-Status"); code {
	case "0":
		return nil
	case "":
		return errors.New("collector does not answer as gRPC does")
	default:
		return &refusal{fmt.Sprintf("gRPC status %.10s: %.200q", code, from.Get("Grpc-Message"))}
	}
}

// unframed is the message of an answer that is not compressed.
func unframed(b []byte) []byte {
	if len(b) < 5 || b[0] != 0 || int64(binary.BigEndian.Uint32(b[1:5])) > int64(len(b)-5) {
		return nil
	}
	return b[5 : 5+binary.BigEndian.Uint32(b[1:5])]
}

// rejectedSpans reads partial_success.rejected_spans of an
// ExportTraceServiceResponse.
func rejectedSpans(answer []byte) uint64 {
	_, partial := field(answer, 1)
	n, _ := field(partial, 1)
	return n
}

// field finds a field of a message: its number, or its octets. What cannot be
// read is not there.
func field(b []byte, wanted uint64) (number uint64, octets []byte) {
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		if n <= 0 {
			return 0, nil
		}
		b = b[n:]
		var value uint64
		size := 0
		octets = nil
		switch key & 7 {
		case wireVarint:
			value, size = binary.Uvarint(b)
		case wireFixed64:
			size = 8
		case wireFixed32:
			size = 4
		case wireBytes:
			length, n := binary.Uvarint(b)
			if n <= 0 || length > uint64(len(b)-n) {
				return 0, nil
			}
			size = n + int(length)
			octets = b[n:size]
		}
		if size <= 0 || size > len(b) {
			return 0, nil
		}
		if key>>3 == wanted {
			return value, octets
		}
		b = b[size:]
	}
	return 0, nil
}
