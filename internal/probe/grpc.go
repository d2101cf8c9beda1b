package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	corev1 "k8s.io/api/core/v1"
)

// servingStatuses are the values of grpc.health.v1.HealthCheckResponse.status.
var servingStatuses = [...]string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}

// grpcAttempt calls grpc.health.v1.Health/Check in plaintext. The two messages
// have one field each, so they are written and read here by hand.
func grpcAttempt(ctx context.Context, a *corev1.GRPCAction, t Target) Result {
	service := ""
	if a.Service != nil {
		service = *a.Service
	}
	target := fmt.Sprintf("http://%s/grpc.health.v1.Health/Check", net.JoinHostPort(t.PodIP, fmt.Sprint(a.Port)))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(healthRequest(service)))
	if err != nil {
		return unknown("%v", err)
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	req.Header.Set("User-Agent", userAgent)
	transport := &http.Transport{
		Protocols:   new(http.Protocols),
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) { return dial(ctx, address) },
	}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(req)
	if err != nil {
		return failure("%v", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, OutputLimit))
	if err != nil {
		return failure("read the health answer: %v", err)
	}
	return judgeHealth(res, body)
}

func judgeHealth(res *http.Response, body []byte) Result {
	// An answer without messages carries its status in the head (gRPC over
	// HTTP/2, "Trailers-Only").
	code, message := res.Trailer.Get("Grpc-Status"), res.Trailer.Get("Grpc-Message")
	if code == "" {
		code, message = res.Header.Get("Grpc-Status"), res.Header.Get("Grpc-Message")
	}
	if res.StatusCode != http.StatusOK || code == "" {
		return failure("not a gRPC answer: HTTP status %d", res.StatusCode)
	}
	if code != "0" {
		return failure("gRPC health check failed with status %s %s", code, message)
	}
	status, err := healthStatus(body)
	if err != nil {
		return failure("gRPC health answer: %v", err)
	}
	if status >= uint64(len(servingStatuses)) {
		return failure("service unhealthy (responded with status %d)", status)
	}
	if servingStatuses[status] != "SERVING" {
		return failure("service unhealthy (responded with %q)", servingStatuses[status])
	}
	return success("service healthy")
}

// healthRequest frames HealthCheckRequest{1: service}.
func healthRequest(service string) []byte {
	var message []byte
	if service != "" {
		message = append(message, 1<<3|2)
		message = binary.AppendUvarint(message, uint64(len(service)))
		message = append(message, service...)
	}
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	return append(frame, message...)
}

var errTruncated = errors.New("message is cut short")

// healthStatus reads HealthCheckResponse{1: status} from one frame. Fields it
// does not know are skipped; an absent field is 0.
func healthStatus(frame []byte) (status uint64, err error) {
	if len(frame) < 5 {
		return 0, errTruncated
	}
	if frame[0] != 0 {
		return 0, errors.New("message is compressed although no compression was offered")
	}
	size := binary.BigEndian.Uint32(frame[1:5])
	if uint64(size) > uint64(len(frame)-5) {
		return 0, errTruncated
	}
	message := frame[5 : 5+size]
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		if n <= 0 {
			return 0, errTruncated
		}
		message = message[n:]
		value, rest, err := field(tag&7, message)
		if err != nil {
			return 0, err
		}
		if tag == 1<<3 {
			status = value
		}
		message = rest
	}
	return status, nil
}

// field takes one field of a protobuf wire type off message; value is set for
// varints.
func field(wireType uint64, message []byte) (value uint64, rest []byte, err error) {
	size := uint64(0)
	switch wireType {
	case 0:
		value, n := binary.Uvarint(message)
		if n <= 0 {
			return 0, nil, errTruncated
		}
		return value, message[n:], nil
	case 1:
		size = 8
	case 2:
		length, n := binary.Uvarint(message)
		if n <= 0 {
			return 0, nil, errTruncated
		}
		size, message = length, message[n:]
	case 5:
		size = 4
	default:
		return 0, nil, fmt.Errorf("unknown wire type %d", wireType)
	}
	if size > uint64(len(message)) {
		return 0, nil, errTruncated
	}
	return 0, message[size:], nil
}
