package cluster

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"daemun/test/cluster/lab"
)

// programs and shared are set once, before any test runs.
var (
	programs lab.Programs
	shared   func() (*lab.Cluster, error)
)

// serviceAccount is who Daemun is with deploy/daemun.yaml; the API server writes
// down what it asks for.
const serviceAccount = "system:serviceaccount:daemun:daemun"

func TestMain(m *testing.M) { lab.Main(m, run) }

func run(m *testing.M, p lab.Programs) int {
	dir, err := os.MkdirTemp("", "cluster-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	programs = p
	var started *lab.Cluster
	shared = sync.OnceValues(func() (*lab.Cluster, error) {
		var err error
		started, err = lab.Start(dir, p, lab.Options{Audit: []string{serviceAccount}})
		return started, err
	})
	code := m.Run()
	if started != nil {
		started.Stop()
	}
	return code
}

// cluster returns the control plane all tests share; the first one starts it.
// Tests that end parts of it start their own with lab.Start.
func cluster(t *testing.T) *lab.User {
	t.Helper()
	c, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return c.For(t)
}
