package probe

import (
	"context"
	"net"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// TestRefusedIsTriedSoon: a program that starts to listen just after the first
// probe does not wait for the next period.
func TestRefusedIsTriedSoon(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr)
	l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var verdicts []bool
	w := Worker{
		Probe: &corev1.Probe{
			PeriodSeconds: 3600, TimeoutSeconds: 5, FailureThreshold: 2,
			ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt(addr.Port)}},
		},
		Target: Target{PodIP: "127.0.0.1"},
		Event: func(r Result) {
			if !r.refused {
				t.Errorf("event %+v, want only the refused connection", r)
			}
			if l, err = net.Listen("tcp", addr.String()); err != nil {
				t.Error(err)
			}
		},
		Verdict: func(ok bool, _ Result) {
			verdicts = append(verdicts, ok)
			cancel()
		},
	}
	w.Run(ctx)
	l.Close()
	if len(verdicts) != 1 || !verdicts[0] {
		t.Errorf("verdicts %v, want one success", verdicts)
	}
}
