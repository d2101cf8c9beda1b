package lab

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// PodNetwork are the addresses of Pods on played nodes. All of them are local
// inside the tests' network, so any process there binds and reaches any of
// them. They cannot be loopback addresses: the API server refuses those in
// EndpointSlices.
var PodNetwork = netip.MustParsePrefix("10.244.0.0/16")

// secluded is a command in new network, process and mount namespaces, and a new
// user namespace where we are not root. It is killed if we end.
func secluded(name string, args ...string) *exec.Cmd {
	// The kernel ties the death signal to the thread that forked.
	runtime.LockOSThread()
	cmd := exec.Command(name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	attr := &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGKILL,
	}
	if uid, gid := os.Getuid(), os.Getgid(); uid != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
	}
	cmd.SysProcAttr = attr
	return cmd
}

// furnish makes the new namespaces habitable: a /proc that shows our
// processes, and a loopback interface that owns the Pod network.
func furnish() error {
	if os.Getpid() != 1 {
		return fmt.Errorf("%s is set, but this is not the first process of a namespace", insideVariable)
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	for _, args := range []string{"link set lo up", "route add local " + PodNetwork.String() + " dev lo"} {
		if err := IP(args); err != nil {
			return err
		}
	}
	return nil
}

// IP runs the ip command (iproute2) with blank-separated arguments.
func IP(args string) error {
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", args, err, out)
	}
	return nil
}

// withoutProxy drops the variables that would send requests to a proxy, which
// cannot be reached from inside.
func withoutProxy(env []string) []string {
	var kept []string
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		switch strings.ToLower(name) {
		case "http_proxy", "https_proxy", "all_proxy", "kubeconfig":
		default:
			kept = append(kept, e)
		}
	}
	return kept
}
