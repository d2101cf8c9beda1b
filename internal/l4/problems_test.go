package l4

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"daemun/internal/ir"
)

const permissionEnv = "DAEMUN_L4_PERMISSION_HELPER"

// TestLowPortsAreOneProblem: without permission every Service that wants a low
// port is named in one sentence, and the others are served. Root may open all
// ports, so that it is asked as somebody else.
func TestLowPortsAreOneProblem(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	if os.Getuid() == 0 {
		// The binary may lie where that user cannot reach it by name; an open
		// file can be run all the same.
		f, err := os.Open(exe)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		cmd = exec.CommandContext(t.Context(), "/proc/self/fd/3")
		cmd.ExtraFiles = []*os.File{f}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		cmd.Dir = "/"
	}
	cmd.Env = append(os.Environ(), permissionEnv+"="+l.cluster().String())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if lines[0] == "listening 21" {
		t.Skip("everybody may open low ports here")
	}
	if len(lines) != 2 || lines[0] != "listening 1" {
		t.Fatalf("%q", lines)
	}
	for _, part := range []string{"net.ipv4.ip_unprivileged_port_start", "CAP_NET_BIND_SERVICE", "(Service shop/web)", "and 12 more", codePermission} {
		if !strings.Contains(lines[1], part) {
			t.Errorf("%q lacks %q", lines[1], part)
		}
	}
}

// permissionHelper returns the exit status.
func permissionHelper() int {
	at := netip.MustParseAddr(os.Getenv(permissionEnv))
	sv := &ir.Service{Namespace: "shop", Name: "web", ClusterIPs: []netip.Addr{at}}
	ports := []uint16{8000}
	for p := range uint16(20) {
		ports = append(ports, 100+p)
	}
	e := ir.ServiceEndpoint{Addr: at, Ready: true}
	for _, p := range ports {
		sv.Ports = append(sv.Ports, ir.ServicePort{Name: fmt.Sprint(p), Transport: ir.TCP, Port: p})
		e.Ports = append(e.Ports, 9000)
	}
	sv.Endpoints = []ir.ServiceEndpoint{e}
	s, err := New(Config{})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	n := &ir.Network{Services: []*ir.Service{sv}}
	s.Update(n)
	s.Update(n) // a retry changes nothing
	fmt.Println("listening", s.Stats().Listening)
	for _, p := range s.Problems() {
		fmt.Println(p)
	}
	return 0
}

// TestFrontendsLeaveRoom: Services never take all descriptors. Those over the
// bound are one problem, and open as soon as others go.
func TestFrontendsLeaveRoom(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	service := func(name string, host byte) *ir.Service {
		sv := l.service(ir.TCP, l.ready(port(l.podA(0))))
		sv.Name, sv.ClusterIPs, sv.LoadBalancerIPs, sv.ExternalIPs = name, []netip.Addr{l.at(host)}, nil, nil
		sv.Ports = []ir.ServicePort{{Transport: ir.TCP, Port: 8000}}
		return sv
	}
	first, second, third := service("a", 21), service("b", 22), service("c", 23)
	s := l.start(Config{MaxFrontends: 2}, l.network(first, second))
	s.Update(l.network(first, second, third))
	problems := s.Problems()
	if len(problems) != 1 || !strings.Contains(problems[0].Message, "ulimit -n") || !strings.Contains(problems[0].Message, "(Service shop/c)") {
		t.Errorf("problems %v, want one that names the limit and shop/c", problems)
	}
	if got := l.outcome(l.podA(1), port(l.at(23))); got != "refused" {
		t.Errorf("over the bound: %s", got)
	}
	s.Update(l.network(first, third))
	if problems := s.Problems(); len(problems) != 0 || s.Stats().Listening != 2 {
		t.Errorf("after one has gone: %d listen, problems %v", s.Stats().Listening, problems)
	}
}
