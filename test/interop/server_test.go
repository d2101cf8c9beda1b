package interop

import (
	"context"
	"sync/atomic"
	"time"

	orcadata "github.com/cncf/xds/go/xds/data/orca/v3"
	orcaservice "github.com/cncf/xds/go/xds/service/orca/v3"
	"google.golang.org/grpc"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/orca"
	"google.golang.org/grpc/stats"
)

// withServerID adds what pick_first_unary wants and grpc-go's server has not.
func withServerID(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	resp, err := handle(ctx, req)
	if in, ok := req.(*testgrpc.SimpleRequest); ok && in.GetFillServerId() {
		if out, ok := resp.(*testgrpc.SimpleResponse); ok {
			out.ServerId = "one"
		}
	}
	return resp, err
}

// loadReports reports load as often as the client asks for it; orca.Register
// does so every half a minute at most.
type loadReports struct {
	orcaservice.UnimplementedOpenRcaServiceServer
	recorder orca.ServerMetricsRecorder
}

func (l *loadReports) StreamCoreMetrics(req *orcaservice.OrcaLoadReportRequest, s orcaservice.OpenRcaService_StreamCoreMetricsServer) error {
	tick := time.NewTicker(max(time.Millisecond, req.GetReportInterval().AsDuration()))
	defer tick.Stop()
	for {
		m := l.recorder.(orca.ServerMetricsProvider).ServerMetrics()
		report := &orcadata.OrcaLoadReport{CpuUtilization: max(0, m.CPUUtilization), MemUtilization: max(0, m.MemUtilization), Utilization: m.Utilization}
		if err := s.Send(report); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-s.Context().Done():
			return s.Context().Err()
		}
	}
}

// compression counts the messages that come compressed.
type compression struct{ messages atomic.Int64 }

func (c *compression) HandleRPC(_ context.Context, s stats.RPCStats) {
	if in, ok := s.(*stats.InPayload); ok && in.Length > 1000 && in.CompressedLength < in.Length {
		c.messages.Add(1)
	}
}

func (c *compression) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (c *compression) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (c *compression) HandleConn(context.Context, stats.ConnStats)                       {}
