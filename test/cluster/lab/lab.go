// Package lab is the kit for tests against a real Kubernetes: it builds the
// control plane and Daemun as programs, runs the test binary in a network of
// its own, starts etcd, kube-apiserver, kube-controller-manager and
// kube-scheduler in it, plays the nodes and asks the API server things.
//
// It knows Daemun as a program only and imports nothing of it. Every process it
// starts ends with the test binary, however that ends: see Main.
package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// Programs are the paths of what the tests run.
type Programs struct {
	// Kube is the multi-call binary of test/cluster/kube.
	Kube string
	// Helm is the helm command line.
	Helm string
	// Daemun is the static binary of this tree; Image holds the same file as a
	// docker-archive named ImageName.
	Daemun string
	Image  string
	// Pause holds the pause image of a node as a docker-archive; see StartNode.
	Pause string
	// Root is the top of the repository.
	Root string
}

// ImageName is the name of the image built from this tree, Version what its
// program says it is.
const (
	ImageName = "docker.io/daemun/daemun:test"
	Version   = "v0.0.0-test"
)

// insideVariable hands the programs to the test binary inside its namespaces.
const insideVariable = "DAEMUN_LAB"

// Main is the body of a TestMain. The test binary first runs outside: it builds
// the programs, for which it may use the network, and starts itself again as
// the first process of its own network, process and mount namespaces. When that
// process ends, for whatever reason, the kernel ends everything started in
// there, and addresses, routes and mounts go with it.
//
// Inside, 127.0.0.1 is private to the tests, and every address of PodNetwork is
// local. run receives the programs and returns the exit code.
func Main(m *testing.M, run func(*testing.M, Programs) int) {
	text, inside := os.LookupEnv(insideVariable)
	if !inside {
		os.Exit(outside())
	}
	var p Programs
	if err := errors.Join(json.Unmarshal([]byte(text), &p), furnish()); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
	os.Exit(run(m, p))
}

// outside builds the programs and runs the tests in their namespaces.
func outside() int {
	dir, err := os.MkdirTemp("", "daemun-lab-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	p, err := build(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	text, err := json.Marshal(p)
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	cmd := secluded("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(withoutProxy(os.Environ()), insideVariable+"="+string(text), "TMPDIR="+dir)
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "lab: start the tests in their own namespaces: %v\n"+
			"The cluster tests need root, or a kernel that lets users make namespaces (unshare -rn).\n", err)
		return 1
	}
	return 0
}
