package l4

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"daemun/internal/ir"
)

const shortageEnv = "DAEMUN_L4_SHORTAGE_HELPER"

// H11.10: without descriptors a frontend neither spins nor ends; it turns
// clients away one at a time, and serves again once there are some. The limit
// is that of a process, hence one of its own.
func TestH11_10DescriptorShortage(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), shortageEnv+"="+l.cluster().String())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// shortageHelper returns the exit status.
func shortageHelper() int {
	err := shortage(netip.MustParseAddr(os.Getenv(shortageEnv)))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func shortage(at netip.Addr) error {
	endpoint, err := net.Listen("tcp", netip.AddrPortFrom(at, 0).String())
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := endpoint.Accept()
			if err != nil {
				return
			}
			c.Write([]byte("x"))
			c.Close()
		}
	}()
	s, err := New(Config{})
	if err != nil {
		return err
	}
	to := netip.AddrPortFrom(at, 8000)
	s.Update(&ir.Network{Services: []*ir.Service{{
		Name: "web", ClusterIPs: []netip.Addr{at}, Ports: []ir.ServicePort{{Transport: ir.TCP, Port: 8000}},
		Endpoints: []ir.ServiceEndpoint{{Addr: at, Ports: []uint16{uint16(endpoint.Addr().(*net.TCPAddr).Port)}, Ready: true}},
	}}})
	go s.Run(context.Background())
	if err := served(to, nil); err != nil {
		return fmt.Errorf("before: %w", err)
	}
	for tick := time.NewTicker(time.Millisecond); s.Stats().OpenConnections > 0; <-tick.C { // until its descriptors are free
	}
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		return err
	}
	// A client's socket is made first; then no descriptor is left for more: all
	// below the next one are in use.
	err = served(to, func() error {
		next := openReserve()
		unix.Close(next)
		return unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(next), Max: old.Max})
	})
	if failure(err) != "reset" {
		return fmt.Errorf("during: %w", err)
	}
	// Each attempt is counted: one that spins would have made many by now.
	if st := s.Stats(); st.AcceptErrors == 0 || st.AcceptErrors > 3 || st.Refused.Limit != 1 {
		return fmt.Errorf("%+v", st)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		return err
	}
	if err := served(to, nil); err != nil { // within a tick
		return fmt.Errorf("after: %w", err)
	}
	return nil
}

// served makes a connection; between is called when its socket exists.
func served(to netip.AddrPort, between func() error) error {
	fd, e := newSocket(true, unix.SOCK_STREAM)
	if e != 0 {
		return e
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		return err
	}
	defer unix.Close(fd)
	if between != nil {
		if err := between(); err != nil {
			return err
		}
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: int64(patience / time.Second)}); err != nil {
		return err
	}
	if e := connectTo(fd, to); e != 0 {
		return e
	}
	b := make([]byte, 1)
	if _, err := unix.Read(fd, b); err != nil {
		return err
	}
	if b[0] != 'x' {
		return fmt.Errorf("no answer")
	}
	return nil
}
