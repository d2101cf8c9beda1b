// Package check says whether Daemun can run on this machine or in a cluster,
// and whether a running one is well.
//
// It turns what it is told of the machine, of the cluster and of the instance
// into findings: problems with a code and with what to do. It starts nothing
// and changes nothing; a port is opened for a moment and closed. It has no
// goroutines.
package check

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"daemun/internal/ir"
	"daemun/internal/listen"
	"daemun/internal/resolvconf"
)

// The findings.
const (
	// CodePortTaken: another program has a port.
	CodePortTaken = "DMN0901"
	// CodePortForbidden: the port needs a permission.
	CodePortForbidden = "DMN0902"
	// CodePortUnusable: the port cannot be opened for another reason.
	CodePortUnusable = "DMN0903"
	// CodeFewFiles: the limit of open files is low.
	CodeFewFiles = "DMN0904"
	// CodeNoResolver: there is nobody to ask for names.
	CodeNoResolver = "DMN0905"
	// CodeClock: the clock is wrong.
	CodeClock = "DMN0906"
	// CodeNotReady: the running instance is not ready.
	CodeNotReady = "DMN0907"
	// CodeExpiry: a certificate has expired, or does soon.
	CodeExpiry = "DMN0908"
)

const (
	// enoughFiles is two per connection, for a few thousand of them.
	enoughFiles = 8192
	// soon is when a certificate that renews itself would have been renewed.
	soon = 14 * 24 * time.Hour
)

// Host is what is asked about this machine.
type Host struct {
	// Ports are addresses to listen on, by the flag that names them.
	Ports []Port
	// Resolver is the file that names the resolvers.
	Resolver string
	// Files is the limit of open files.
	Files uint64
	Now   time.Time
}

// Port is an address that Daemun would listen on.
type Port struct{ Flag, Address string }

// Findings looks at the machine.
func (h Host) Findings() []ir.Problem {
	var list []ir.Problem
	for _, p := range h.Ports {
		list = append(list, p.finding()...)
	}
	if h.Files < enoughFiles {
		list = append(list, ir.Problem{
			Code: CodeFewFiles, Severity: ir.SeverityWarning, Field: "open files",
			Message: fmt.Sprintf("the limit is %d, and each connection takes two: raise it to %d or more with ulimit -n", h.Files, enoughFiles),
		})
	}
	// Certificates of today are not valid yet for a clock that was never set.
	if h.Now.Year() < 2026 {
		list = append(list, ir.Problem{
			Code: CodeClock, Severity: ir.SeverityError, Field: "clock",
			Message: fmt.Sprintf("it says %s: set it, or certificates will not be valid", h.Now.Format(time.DateOnly)),
		})
	}
	return append(list, h.resolver()...)
}

func (p Port) finding() []ir.Problem {
	l, err := net.Listen("tcp", p.Address)
	if err == nil {
		_ = l.Close() // it was open for a moment only
		return nil
	}
	found := ir.Problem{Code: CodePortUnusable, Severity: ir.SeverityError, Field: p.Flag, Message: fmt.Sprintf("%s cannot be listened on: %v", p.Address, err)}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		found.Code, found.Message = CodePortTaken, fmt.Sprintf("another program listens on %s: stop it, or choose another port with %s", p.Address, p.Flag)
	case errors.Is(err, syscall.EACCES):
		found.Code = CodePortForbidden
		found.Message = fmt.Sprintf("no permission to listen on %s: lower net.ipv4.ip_unprivileged_port_start, give the program CAP_NET_BIND_SERVICE, or choose a port from 1024 with %s", p.Address, p.Flag)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		found.Message = p.Address + " is no address of this machine: choose another one with --listen-address"
	}
	return []ir.Problem{found}
}

func (h Host) resolver() []ir.Problem {
	text, err := os.ReadFile(h.Resolver)
	if err == nil && len(resolvconf.Parse(string(text)).Servers) > 0 {
		return nil
	}
	why := "names no resolver"
	if err != nil {
		why = "cannot be read"
	}
	return []ir.Problem{{
		Code: CodeNoResolver, Severity: ir.SeverityWarning, Field: "DNS",
		Message: h.Resolver + " " + why + ": names outside of the Service network, such as external names of Services, will not be found",
	}}
}

// Ready is the finding of what /readyz says; nil is well.
func Ready(err error) []ir.Problem {
	if err == nil {
		return nil
	}
	return []ir.Problem{{Code: CodeNotReady, Severity: ir.SeverityError, Field: "ready", Message: err.Error()}}
}

// Certificates are the findings of what is served.
func Certificates(list []listen.CertificateInfo, now time.Time) []ir.Problem {
	var found []ir.Problem
	for _, c := range list {
		left := c.NotAfter.Sub(now)
		if left > soon {
			continue
		}
		p := ir.Problem{
			Code: CodeExpiry, Severity: ir.SeverityWarning, Field: "certificate " + string(c.ID),
			Message: fmt.Sprintf("of %s expires on %s: renew it", strings.Join(c.Names, ", "), c.NotAfter.Format(time.DateOnly)),
		}
		if left <= 0 {
			p.Severity = ir.SeverityError
			p.Message = fmt.Sprintf("of %s expired on %s: renew it", strings.Join(c.Names, ", "), c.NotAfter.Format(time.DateOnly))
		}
		found = append(found, p)
	}
	return found
}
