// Package probe decides whether containers are started, ready and alive: it
// runs the probes of a Pod and keeps their state (docs of Kubernetes probes;
// rules of services §8).
//
// It turns a corev1.Probe and a Target into a sequence of verdicts. It knows
// nothing of how containers are run or what a verdict causes, and starts no
// goroutine that outlives a call.
package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// OutputLimit is how many octets of a body or of a command's output are kept.
const OutputLimit = 10 << 10

// Target is the container a probe looks at.
type Target struct {
	PodIP string
	// Ports resolves named ports: name → number.
	Ports map[string]int32
	// Exec runs a command in the container.
	Exec func(ctx context.Context, argv []string, limit int) (code int, output []byte, err error)
}

// Outcome of one attempt.
type Outcome int

// The outcomes. Unknown is an error of the probing itself: it counts neither
// as success nor as failure.
const (
	Unknown Outcome = iota
	Success
	Failure
)

// Result is one attempt.
type Result struct {
	Outcome Outcome
	// Warning marks a success that people should hear of: a redirect to
	// another host was not followed.
	Warning bool
	// Message is for people ("HTTP probe failed with statuscode: 500").
	Message string

	// refused: nothing listens yet, so the program noticed nothing of it.
	refused bool
}

func success(message string) Result { return Result{Outcome: Success, Message: message} }

func failure(format string, args ...any) Result {
	r := Result{Outcome: Failure, Message: fmt.Sprintf(format, args...)}
	for _, a := range args {
		if err, ok := a.(error); ok && errors.Is(err, syscall.ECONNREFUSED) {
			r.refused = true
		}
	}
	return r
}

func unknown(format string, args ...any) Result {
	return Result{Outcome: Unknown, Message: fmt.Sprintf(format, args...)}
}

// Attempt runs the probe's handler once, within its timeout.
func Attempt(ctx context.Context, p *corev1.Probe, t Target) Result {
	ctx, cancel := context.WithTimeout(ctx, seconds(p.TimeoutSeconds, 1))
	defer cancel()
	switch {
	case p.Exec != nil:
		return execAttempt(ctx, p.Exec, t)
	case p.HTTPGet != nil:
		return httpAttempt(ctx, p.HTTPGet, t)
	case p.TCPSocket != nil:
		return tcpAttempt(ctx, p.TCPSocket, t)
	case p.GRPC != nil:
		return grpcAttempt(ctx, p.GRPC, t)
	}
	return unknown("the probe has no handler; give it one of exec, httpGet, tcpSocket, grpc")
}

func execAttempt(ctx context.Context, a *corev1.ExecAction, t Target) Result {
	if t.Exec == nil || len(a.Command) == 0 {
		return unknown("exec probe without a command")
	}
	code, output, err := t.Exec(ctx, a.Command, OutputLimit)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return failure("command %q timed out", a.Command[0])
	case err != nil:
		return unknown("run %q: %v", a.Command[0], err)
	case code != 0:
		return failure("command %q exited with %d: %s", a.Command[0], code, output)
	}
	return success(string(output))
}

func tcpAttempt(ctx context.Context, a *corev1.TCPSocketAction, t Target) Result {
	port, err := t.port(a.Port)
	if err != nil {
		return unknown("%v", err)
	}
	conn, err := dial(ctx, net.JoinHostPort(cmp.Or(a.Host, t.PodIP), port))
	if err != nil {
		return failure("%v", err)
	}
	conn.Close()
	return success("")
}

// dial connects with a linger of one second, so that probes leave no pile of
// sockets in TIME_WAIT (services §8.2).
func dial(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(1) // best effort: without it only the TIME_WAIT pile comes back
	}
	return conn, nil
}

// port resolves a probe's port to a decimal number.
func (t Target) port(p intstr.IntOrString) (string, error) {
	n := p.IntVal
	if p.Type == intstr.String {
		named, ok := t.Ports[p.StrVal]
		if !ok {
			number, err := strconv.ParseInt(p.StrVal, 10, 32)
			if err != nil {
				return "", fmt.Errorf("the container declares no port named %q", p.StrVal)
			}
			named = int32(number)
		}
		n = named
	}
	if n < 1 || n > 65535 {
		return "", fmt.Errorf("port %d is not in 1–65535", n)
	}
	return strconv.Itoa(int(n)), nil
}

func seconds(n, otherwise int32) time.Duration {
	if n < 1 {
		n = otherwise
	}
	return time.Duration(n) * time.Second
}
