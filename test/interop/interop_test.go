// Package interop runs the interoperability cases of gRPC through the built
// program: grpc-go's client on one side, its server on the other. It is a module
// of its own, so that gRPC never reaches ours.
package interop

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
)

// patience bounds the start and the end of the program, and each case.
const patience = time.Minute

// manifest is a Service without Pods whose endpoint is the server of the test.
const manifest = `
apiVersion: v1
kind: Service
metadata: {name: %[1]s}
spec:
  ports: [{port: 80}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %[1]s, labels: {kubernetes.io/service-name: %[1]s}}
addressType: IPv4
ports: [{port: %[3]d}]
endpoints: [{addresses: [127.0.0.1]}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: %[1]s
  annotations: {nginx.ingress.kubernetes.io/backend-protocol: %[2]s}
spec:
  rules:
  - host: %[1]s.test
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: %[1]s, port: {number: 80}}}}
---
`

// serve runs a test server and returns its port.
func serve(t *testing.T, options ...grpc.ServerOption) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(options...)
	testgrpc.RegisterTestServiceServer(s, interop.NewTestServer())
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		<-done
	})
	return l.Addr().(*net.TCPAddr).Port
}

// up builds Daemun, runs the manifests and returns where it listens.
func up(t *testing.T, manifests string) (plain, secure string) {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "daemun")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./cmd/daemun")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	file, ready := filepath.Join(dir, "m.yaml"), filepath.Join(dir, "ready")
	if err := os.WriteFile(file, []byte(manifests), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, bin, "up", "--quiet", "--http-port", "0", "--https-port", "0", "--admin-address", "127.0.0.1:0",
		"--state-dir", filepath.Join(dir, "state"), "--ready-file", ready, file)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = patience
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
	})
	var addrs struct{ HTTP, HTTPS string }
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); ; {
		if b, err := os.ReadFile(ready); err == nil && json.Unmarshal(b, &addrs) == nil {
			return addrs.HTTP, addrs.HTTPS
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("daemun up does not become ready")
		}
	}
}

// cases are those of gRPC that need no credentials of a cloud. They end the
// program when they fail: their word is in the log.
var cases = []struct {
	name string
	run  func(context.Context, testgrpc.TestServiceClient, *grpc.ClientConn)
}{
	{"empty_unary", func(ctx context.Context, c testgrpc.TestServiceClient, _ *grpc.ClientConn) {
		interop.DoEmptyUnaryCall(ctx, c)
	}},
	{"large_unary", func(ctx context.Context, c testgrpc.TestServiceClient, _ *grpc.ClientConn) {
		interop.DoLargeUnaryCall(ctx, c)
	}},
	{"client_streaming", func(ctx context.Context, c testgrpc.TestServiceClient, _ *grpc.ClientConn) {
		interop.DoClientStreaming(ctx, c)
	}},
	{"server_streaming", func(ctx context.Context, c testgrpc.TestServiceClient, _ *grpc.ClientConn) {
		interop.DoServerStreaming(ctx, c)
	}},
	{"ping_pong", func(ctx context.Context, c testgrpc.TestServiceClient, _ *grpc.ClientConn) {
		interop.DoPingPong(ctx, c)
	}},
	{"empty_stream", func(ctx context.Context, c testgrpc.TestServiceClient, _ *grpc.ClientConn) {
		interop.DoEmptyStream(ctx, c)
	}},
	{"timeout_on_sleeping_server", func(ctx context.Context, c testgrpc.TestServiceClient, _ *grpc.ClientConn) {
		interop.DoTimeoutOnSleepingServer(ctx, c)
	}},
	{"cancel_after_begin", func(ctx context.Context, c testgrpc.TestServiceClient, _ *grpc.ClientConn) {
		interop.DoCancelAfterBegin(ctx, c)
	}},
	{"cancel_after_first_response", func(ctx context.Context, c testgrpc.TestServiceClient, _ *grpc.ClientConn) {
		interop.DoCancelAfterFirstResponse(ctx, c)
	}},
	{"status_code_and_message", func(ctx context.Context, c testgrpc.TestServiceClient, _ *grpc.ClientConn) {
		interop.DoStatusCodeAndMessage(ctx, c)
	}},
	{"special_status_message", func(ctx context.Context, c testgrpc.TestServiceClient, _ *grpc.ClientConn) {
		interop.DoSpecialStatusMessage(ctx, c)
	}},
	{"custom_metadata", func(ctx context.Context, c testgrpc.TestServiceClient, _ *grpc.ClientConn) {
		interop.DoCustomMetadata(ctx, c)
	}},
	{"unimplemented_method", func(ctx context.Context, _ testgrpc.TestServiceClient, cc *grpc.ClientConn) {
		interop.DoUnimplementedMethod(ctx, cc)
	}},
	{"unimplemented_service", func(ctx context.Context, _ testgrpc.TestServiceClient, cc *grpc.ClientConn) {
		interop.DoUnimplementedService(ctx, testgrpc.NewUnimplementedServiceClient(cc))
	}},
}

func TestInterop(t *testing.T) {
	source := httptest.NewUnstartedServer(nil) // of a certificate
	source.StartTLS()
	defer source.Close()
	withTLS := grpc.Creds(credentials.NewServerTLSFromCert(&source.TLS.Certificates[0]))
	plain, secure := up(t, fmt.Sprintf(manifest, "grpc", "GRPC", serve(t))+fmt.Sprintf(manifest, "grpcs", "GRPCS", serve(t, withTLS)))
	overTLS := func(name string) grpc.DialOption {
		return grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{InsecureSkipVerify: true, ServerName: name}))
	}
	for _, way := range []struct {
		name, addr string
		options    []grpc.DialOption
	}{
		{"TLS to cleartext", secure, []grpc.DialOption{overTLS("grpc.test")}},
		{"TLS to TLS", secure, []grpc.DialOption{overTLS("grpcs.test")}},
		{"cleartext to cleartext", plain, []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority("grpc.test")}},
	} {
		t.Run(way.name, func(t *testing.T) {
			cc, err := grpc.NewClient("passthrough:///"+way.addr, way.options...)
			if err != nil {
				t.Fatal(err)
			}
			defer cc.Close()
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					c.run(ctx, testgrpc.NewTestServiceClient(cc), cc)
				})
			}
		})
	}
}
