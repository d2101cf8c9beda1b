package interop

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
)

// way is one through Daemun: where a client connects, and how.
type way struct {
	name, addr string
	options    []grpc.DialOption
	call       []grpc.CallOption // of all calls
}

// peer is a client on one way.
type peer struct {
	testgrpc.TestServiceClient
	cc      *grpc.ClientConn
	addr    string
	connect func() *grpc.ClientConn
}

// testCase is one of gRPC's.
type testCase struct {
	name   string
	config string // the service config that it wants
	run    func(context.Context, *peer)
}

// loadReporting makes grpc-go's client ask for reports of load.
const loadReporting = `{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}`

// cases are all that grpc-go's client knows and that need no cloud. They end
// the program when they fail: their word is in the log.
var cases = []testCase{
	{name: "empty_unary", run: func(ctx context.Context, p *peer) { interop.DoEmptyUnaryCall(ctx, p) }},
	{name: "large_unary", run: func(ctx context.Context, p *peer) { interop.DoLargeUnaryCall(ctx, p) }},
	{name: "client_streaming", run: func(ctx context.Context, p *peer) { interop.DoClientStreaming(ctx, p) }},
	{name: "server_streaming", run: func(ctx context.Context, p *peer) { interop.DoServerStreaming(ctx, p) }},
	{name: "ping_pong", run: func(ctx context.Context, p *peer) { interop.DoPingPong(ctx, p) }},
	{name: "empty_stream", run: func(ctx context.Context, p *peer) { interop.DoEmptyStream(ctx, p) }},
	{name: "timeout_on_sleeping_server", run: func(ctx context.Context, p *peer) { interop.DoTimeoutOnSleepingServer(ctx, p) }},
	{name: "cancel_after_begin", run: func(ctx context.Context, p *peer) { interop.DoCancelAfterBegin(ctx, p) }},
	{name: "cancel_after_first_response", run: func(ctx context.Context, p *peer) { interop.DoCancelAfterFirstResponse(ctx, p) }},
	{name: "status_code_and_message", run: func(ctx context.Context, p *peer) { interop.DoStatusCodeAndMessage(ctx, p) }},
	{name: "special_status_message", run: func(ctx context.Context, p *peer) { interop.DoSpecialStatusMessage(ctx, p) }},
	{name: "custom_metadata", run: func(ctx context.Context, p *peer) { interop.DoCustomMetadata(ctx, p) }},
	{name: "unimplemented_method", run: func(ctx context.Context, p *peer) { interop.DoUnimplementedMethod(ctx, p.cc) }},
	{name: "unimplemented_service", run: func(ctx context.Context, p *peer) {
		interop.DoUnimplementedService(ctx, testgrpc.NewUnimplementedServiceClient(p.cc))
	}},
	{name: "pick_first_unary", run: func(ctx context.Context, p *peer) { interop.DoPickFirstUnary(ctx, p) }},
	{name: "rpc_soak", run: func(ctx context.Context, p *peer) {
		interop.DoSoakTest(ctx, soak(p, func() (*grpc.ClientConn, func()) { return p.cc, func() {} }))
	}},
	{name: "channel_soak", run: func(ctx context.Context, p *peer) {
		interop.DoSoakTest(ctx, soak(p, func() (*grpc.ClientConn, func()) {
			cc := p.connect()
			return cc, func() { _ = cc.Close() }
		}))
	}},
	{name: "orca_per_rpc", config: loadReporting, run: func(ctx context.Context, p *peer) { interop.DoORCAPerRPCTest(ctx, p) }},
	{name: "orca_oob", config: loadReporting, run: func(ctx context.Context, p *peer) { interop.DoORCAOOBTest(ctx, p) }},
}

// soak is ten calls of the usual size from each of two at once.
func soak(p *peer, channel func() (*grpc.ClientConn, func())) interop.SoakTestConfig {
	return interop.SoakTestConfig{
		RequestSize: 271828, ResponseSize: 314159, PerIterationMaxAcceptableLatency: patience, OverallTimeout: patience,
		ServerAddr: p.addr, NumWorkers: 2, Iterations: 20, ChannelForTest: channel, MinTimeBetweenRPCs: time.Millisecond,
	}
}

// notRun are those that ask a cloud for credentials.
var notRun = []string{
	"compute_engine_creds", "service_account_creds", "jwt_token_creds", "per_rpc_creds", "oauth2_auth_token", "google_default_credentials",
	"compute_engine_channel_credentials",
}

// TestNoCaseIsForgotten holds the list against that of grpc-go's client.
func TestNoCaseIsForgotten(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "google.golang.org/grpc").Output()
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "interop", "client", "client.go"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, c := range cases {
		known[c.name] = true
	}
	for _, name := range notRun {
		known[name] = true
	}
	found := regexp.MustCompile(`(?m)^\tcase "(\w+)":$`).FindAllStringSubmatch(string(source), -1)
	if len(found) != len(known) {
		t.Errorf("%d cases there, %d here", len(found), len(known))
	}
	for _, m := range found {
		if !known[m[1]] {
			t.Errorf("%s is neither run nor listed as one that is not", m[1])
		}
	}
}
