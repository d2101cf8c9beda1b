package l4

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"daemun/internal/ir"
)

// The problems of frontends: DMN065x.
const (
	codePermission = "DMN0651"
	codeInUse      = "DMN0652"
	codeElsewhere  = "DMN0653"
	codeClaimed    = "DMN0654"
	codeNotOpened  = "DMN0655"
	codeNoFilter   = "DMN0656"
)

// errTooMany is the error of a frontend over MaxFrontends.
var errTooMany = errors.New("too many frontends")

// mostNamed bounds how many of the affected one message names.
const mostNamed = 8

// Problems returns what could not be opened after the last Update, sorted. It
// may be called from any goroutine; the slice is the caller's.
func (s *Server) Problems() []ir.Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.problems)
}

func nodePortField(port int) string { return fmt.Sprintf("spec.ports[%d].nodePort", port) }

// report makes the problems.
func (s *Server) report() {
	s.problems = nil
	var denied, tooMany []string
	elsewhere := map[netip.Addr][]string{}
	for f := range s.unopened {
		who := fmt.Sprintf("%s (%s)", f.key, f.owner.ir.Ref())
		switch {
		case errors.Is(f.err, unix.EACCES):
			denied = append(denied, who)
		case errors.Is(f.err, errTooMany):
			tooMany = append(tooMany, who)
		case errors.Is(f.err, unix.EADDRNOTAVAIL):
			a := f.key.at.Addr()
			elsewhere[a] = append(elsewhere[a], who)
		case errors.Is(f.err, unix.EADDRINUSE):
			s.problem(codeInUse, f.owner.ir.Ref(), "", fmt.Sprintf("another program listens on %s: stop it, or choose another port", f.key))
		default:
			s.problem(codeNotOpened, f.owner.ir.Ref(), "", fmt.Sprintf("cannot listen on %s: %v", f.key, f.err))
		}
	}
	if len(denied) > 0 {
		s.problem(codePermission, ir.Ref{}, "", "no permission to listen on ports below net.ipv4.ip_unprivileged_port_start: lower that sysctl, or give the program CAP_NET_BIND_SERVICE, for "+some(denied))
	}
	if len(tooMany) > 0 {
		s.problem(codeNotOpened, ir.Ref{}, "", fmt.Sprintf("Services listen on %d addresses and ports already, half of the open files that this process may have: raise the limit (ulimit -n), for %s", s.listening, some(tooMany)))
	}
	for a, affected := range elsewhere {
		s.problem(codeElsewhere, ir.Ref{}, "", fmt.Sprintf("%s is not an address of this machine: choose one of 127.0.0.0/8, or add it with ip address add, for %s", a, some(affected)))
	}
	for st := range s.contended {
		for _, c := range st.lost {
			s.problem(codeClaimed, st.ir.Ref(), c.claim.field, fmt.Sprintf("%s already has %s: choose another address or port", c.owner, c.claim.key))
		}
	}
	if s.noFilter.Load() {
		s.problems = append(s.problems, ir.Problem{
			Code: codeNoFilter, Severity: ir.SeverityNotice,
			Message: "this kernel attaches no filter to a socket for programs without CAP_NET_ADMIN: TCP clients that a traffic policy or loadBalancerSourceRanges drops get a reset after the handshake, where a cluster would let them time out",
		})
	}
	for _, h := range s.checks {
		if h.err != nil {
			s.problem(codeNotOpened, h.service.Ref(), "spec.healthCheckNodePort", fmt.Sprintf("cannot answer health checks on %s: %v", h.at, h.err))
		}
	}
	slices.SortFunc(s.problems, ir.Problem.Compare)
}

// unopened says in short why a frontend is not open.
func unopened(err error) string {
	switch {
	case errors.Is(err, unix.EACCES):
		return "no permission for ports below net.ipv4.ip_unprivileged_port_start"
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return "it is not an address of this machine"
	case errors.Is(err, unix.EADDRINUSE):
		return "another program listens on it"
	}
	return err.Error()
}

func (s *Server) problem(code string, object ir.Ref, field, message string) {
	s.problems = append(s.problems, ir.Problem{Code: code, Severity: ir.SeverityError, Object: object, Field: field, Message: message})
}

// some lists the first of many in a stable order.
func some(all []string) string {
	slices.Sort(all)
	more := ""
	if n := len(all) - mostNamed; n > 0 {
		all, more = all[:mostNamed], fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(all, ", ") + more
}
