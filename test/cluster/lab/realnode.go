package lab

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// PauseName is the image that holds a Pod's namespaces on a real node.
const PauseName = "localhost/pause:test"

// The network of real nodes: a bridge in the tests' network, which has the first
// address. Their Pods have addresses of RealPodNetwork, which are reached
// through the node.
const (
	bridge         = "nodes0"
	BridgeAddress  = "172.31.250.1"
	RealPodNetwork = "10.245.0.0/16"
)

// CanRunNodes says why real nodes cannot run here, or returns nil.
func CanRunNodes() error {
	if mapped, err := os.ReadFile("/proc/self/uid_map"); err != nil || len(strings.Fields(string(mapped))) != 3 || strings.Fields(string(mapped))[2] == "1" {
		return errors.New("real nodes need root: containerd mounts and makes control groups")
	}
	for _, program := range []string{"containerd", "ctr", "runc", "nft", "conntrack"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("real nodes need %s: apt-get install containerd runc containernetworking-plugins nftables conntrack", program)
		}
	}
	if _, err := os.Stat(cniPlugins + "/bridge"); err != nil {
		return fmt.Errorf("real nodes need the CNI plug-ins: %w", err)
	}
	return nil
}

const cniPlugins = "/usr/lib/cni"

// StartForNodes starts a control plane that real nodes can join, one at a time.
func StartForNodes(dir string, p Programs) (*Cluster, error) {
	_ = IP("link del " + bridge) // of an earlier one
	for _, args := range []string{
		"link add " + bridge + " type bridge", "addr add " + BridgeAddress + "/24 dev " + bridge, "link set " + bridge + " up",
	} {
		if err := IP(args); err != nil {
			return nil, err
		}
	}
	return Start(dir, p, Options{Address: BridgeAddress, PodNetwork: RealPodNetwork})
}

// RealNode is a node with containerd, kubelet and kube-proxy of its own, in its
// own network, mount and process namespaces.
type RealNode struct {
	Name, Address string

	cluster *Cluster
	dir     string
	process *process
}

//go:embed node.sh
var nodeScript string

// RealNode starts a node and waits until it is ready; it ends with the test.
// number, from 1 to 200, makes its name and address. The images of Daemun and
// pause are there. The Pods and Services of the cluster are reached from the
// test through it.
func (c *Cluster) RealNode(t testing.TB, number int) *RealNode {
	t.Helper()
	n := &RealNode{
		Name: fmt.Sprintf("node%d", number), Address: fmt.Sprintf("172.31.250.%d", 10+number),
		cluster: c, dir: filepath.Join(c.Dir, fmt.Sprintf("node%d", number)),
	}
	t.Cleanup(n.stop)
	if err := errors.Join(n.write(), makeGroups(n.group())); err != nil {
		t.Fatal(err)
	}
	if err := n.start(); err != nil {
		t.Fatal(err)
	}
	if err := n.join(t.Context()); err != nil {
		t.Fatalf("node %s: %v\nkubelet: %s\ncontainerd: %s", n.Name, err, n.Log("kubelet"), n.Log("containerd"))
	}
	return n
}

// group is the node's control group. Groups are not namespaced here: its name is
// that of this run's folder, so that two runs do not meet.
func (n *RealNode) group() string { return filepath.Base(os.TempDir()) + "-" + n.Name }

// Log is the end of the log of containerd, kubelet or proxy.
func (n *RealNode) Log(name string) []byte {
	return (&process{log: filepath.Join(n.dir, name+".log")}).tail(15)
}

// Import loads an image from an archive.
func (n *RealNode) Import(archive string) error {
	out, err := exec.Command("ctr", "-a", n.dir+"/c.sock", "-n", "k8s.io", "images", "import", archive).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ctr images import %s: %w: %s", archive, err, out)
	}
	return nil
}

// start starts the first process and gives it a network.
func (n *RealNode) start() error {
	inside, outside := "in-"+n.Name, "to-"+n.Name
	env := []string{
		"DIR=" + n.dir, "NAME=" + n.Name, "ADDRESS=" + n.Address, "GATEWAY=" + BridgeAddress,
		"KUBE=" + n.cluster.Programs.Kube, "IMAGES=" + n.cluster.Programs.Pause + " " + n.cluster.Programs.Image,
	}
	var err error
	n.process, err = startIn(n.dir, "node", env, &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS,
	}, "sh", filepath.Join(n.dir, "node.sh"))
	if err != nil {
		return err
	}
	for _, args := range []string{
		"link add " + outside + " type veth peer name " + inside,
		"link set " + outside + " master " + bridge + " up",
		fmt.Sprintf("link set %s netns %d name eth0", inside, n.process.cmd.Process.Pid),
		"route replace 10.96.0.0/16 via " + n.Address,
	} {
		if err := IP(args); err != nil {
			return err
		}
	}
	return nil
}

// join waits for the node's Pod addresses, which its Pod network needs, and
// then for the node.
func (n *RealNode) join(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var cidr string
	err := Until(ctx, func() error {
		if err := n.process.gone(); err != nil {
			return Final(err)
		}
		o, err := n.cluster.client.Get(ctx, "v1", "Node", "", n.Name)
		if err != nil {
			return err
		}
		if cidr = o.String("spec", "podCIDR"); cidr == "" {
			return errors.New("no Pod addresses yet")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := errors.Join(n.writePodNetwork(cidr), IP("route replace "+cidr+" via "+n.Address)); err != nil {
		return err
	}
	return Until(ctx, func() error {
		o, err := n.cluster.client.Get(ctx, "v1", "Node", "", n.Name)
		if err != nil {
			return err
		}
		conditions, _ := o.At("status", "conditions").([]any)
		for _, c := range conditions {
			if c := Object(c.(map[string]any)); c.String("type") == "Ready" {
				if c.String("status") == "True" {
					return nil
				}
				return errors.New(c.String("message"))
			}
		}
		return errors.New("no condition Ready")
	})
}

// stop ends the node with all that runs on it.
func (n *RealNode) stop() {
	if n.process != nil {
		n.process.kill()
	}
	removeGroups(n.group())
	n.cluster.client.Delete(context.Background(), "v1", "Node", "", n.Name, 0)
}
