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
	"slices"
	"testing"
	"time"

	orcaservice "github.com/cncf/xds/go/xds/service/orca/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/orca"
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
	recorder := orca.NewServerMetricsRecorder()
	s := grpc.NewServer(append(options, orca.CallMetricsServerOption(nil), grpc.ChainUnaryInterceptor(withServerID))...)
	testgrpc.RegisterTestServiceServer(s, interop.NewTestServer(interop.NewTestServerOptions{MetricsRecorder: recorder}))
	orcaservice.RegisterOpenRcaServiceServer(s, &loadReports{recorder: recorder})
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

func TestInterop(t *testing.T) {
	source := httptest.NewUnstartedServer(nil) // of a certificate
	source.StartTLS()
	defer source.Close()
	compressed := &compression{}
	withTLS := grpc.Creds(credentials.NewServerTLSFromCert(&source.TLS.Certificates[0]))
	// Connections of the last one end all the time, below calls that run.
	aged := grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: 50 * time.Millisecond, MaxConnectionAgeGrace: patience})
	plain, secure := up(t, fmt.Sprintf(manifest, "grpc", "GRPC", serve(t, grpc.StatsHandler(compressed)))+
		fmt.Sprintf(manifest, "grpcs", "GRPCS", serve(t, withTLS))+fmt.Sprintf(manifest, "aged", "GRPC", serve(t, aged)))
	overTLS := func(name string) []grpc.DialOption {
		return []grpc.DialOption{grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{InsecureSkipVerify: true, ServerName: name}))}
	}
	unencrypted := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority("grpc.test")}
	for _, w := range []way{
		{name: "TLS to cleartext", addr: secure, options: overTLS("grpc.test")},
		{name: "TLS to TLS", addr: secure, options: overTLS("grpcs.test")},
		{name: "cleartext to cleartext", addr: plain, options: unencrypted},
		{name: "to connections of a maximum age", addr: secure, options: overTLS("aged.test")},
		{name: "compressed", addr: secure, options: overTLS("grpc.test"), call: []grpc.CallOption{grpc.UseCompressor(gzip.Name)}},
	} {
		t.Run(w.name, w.run)
	}
	if compressed.messages.Load() == 0 {
		t.Error("no message came compressed to the server")
	}
}

// run runs all cases.
func (w way) run(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			p := w.dial(t, c.config)
			defer p.cc.Close()
			c.run(ctx, p)
		})
	}
}

func (w way) dial(t *testing.T, serviceConfig string) *peer {
	t.Helper()
	options := w.options
	if serviceConfig != "" {
		options = append(slices.Clip(options), grpc.WithDisableServiceConfig(), grpc.WithDefaultServiceConfig(serviceConfig))
	}
	if len(w.call) > 0 {
		options = append(slices.Clip(options), grpc.WithDefaultCallOptions(w.call...))
	}
	connect := func() *grpc.ClientConn {
		cc, err := grpc.NewClient("passthrough:///"+w.addr, options...)
		if err != nil {
			t.Fatal(err)
		}
		return cc
	}
	cc := connect()
	return &peer{TestServiceClient: testgrpc.NewTestServiceClient(cc), cc: cc, addr: w.addr, connect: connect}
}
