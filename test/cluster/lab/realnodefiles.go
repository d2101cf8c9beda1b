package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// write writes the node's credentials and the configuration of its programs.
func (n *RealNode) write() error {
	if err := os.MkdirAll(filepath.Join(n.dir, "cni"), 0o755); err != nil {
		return err
	}
	ca, err := readAuthority(n.cluster.pki(""), "ca")
	if err != nil {
		return err
	}
	name := "node-" + n.Name
	err = ca.issue(leaf{name: name, commonName: "system:node:" + n.Name, organizations: []string{"system:nodes"}, hosts: []string{n.Name, n.Address}})
	if err != nil {
		return err
	}
	cert, key := n.cluster.pki(name+".crt"), n.cluster.pki(name+".key")
	err = errors.Join(
		n.cluster.WriteKubeconfig(filepath.Join(n.dir, "kubeconfig"), fmt.Sprintf("client-certificate: %q, client-key: %q", cert, key)),
		n.file("node.sh", nodeScript),
		n.file("containerd.toml", fmt.Sprintf(containerdConfig, n.dir, PauseName, cniPlugins)),
		n.file("kubelet.yaml", fmt.Sprintf(kubeletConfig, n.cluster.pki("ca.crt"), cert, key, n.group(), n.dir)),
		n.file("proxy.yaml", fmt.Sprintf(proxyConfig, n.Name, n.cluster.Kubeconfig, RealPodNetwork)),
	)
	return err
}

func (n *RealNode) file(name, text string) error {
	return os.WriteFile(filepath.Join(n.dir, name), []byte(text), 0o600)
}

// writePodNetwork lets Pods have addresses. The file appears whole: containerd
// watches the folder.
func (n *RealNode) writePodNetwork(cidr string) error {
	draft := filepath.Join(n.dir, "cni", ".draft")
	if err := os.WriteFile(draft, fmt.Appendf(nil, podNetworkConfig, n.dir, cidr), 0o600); err != nil {
		return err
	}
	return os.Rename(draft, filepath.Join(n.dir, "cni", "10-lab.conflist"))
}

// The kernel may refuse to let programs lower their score for the out-of-memory
// killer: no one tries.
const containerdConfig = `version = 2
root = "%[1]s/containerd"
state = "%[1]s/containerd-run"
[grpc]
  address = "%[1]s/c.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "%[2]s"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "%[3]s"
    conf_dir = "%[1]s/cni"
`

const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: %[1]q}}
authorization: {mode: Webhook}
tlsCertFile: %[2]q
tlsPrivateKeyFile: %[3]q
cgroupDriver: cgroupfs
cgroupRoot: /%[4]s
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
oomScoreAdj: 0
containerRuntimeEndpoint: "unix://%[5]s/c.sock"
makeIPTablesUtilChains: false
resolvConf: ""
clusterDomain: cluster.local
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: "1Mi", nodefs.available: "1%%", imagefs.available: "1%%", nodefs.inodesFree: "1%%"}
podLogsDir: "%[5]s/pods"
volumePluginDir: "%[5]s/volumeplugins"
registerNode: true
maxPods: 100
`

const proxyConfig = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
hostnameOverride: %s
clientConnection: {kubeconfig: %q}
clusterCIDR: %s
conntrack: {maxPerCore: 0, min: 0}
oomScoreAdj: 0
`

const podNetworkConfig = `{"cniVersion": "0.4.0", "name": "lab", "plugins": [
 {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
  "ipam": {"type": "host-local", "dataDir": "%s/ipam", "ranges": [[{"subnet": %q}]], "routes": [{"dst": "0.0.0.0/0"}]}},
 {"type": "portmap", "capabilities": {"portMappings": true}}]}
`

const groupRoot = "/sys/fs/cgroup"

// hierarchies are the folders of control groups: one with version 2, one for
// each controller with version 1.
func hierarchies() ([]string, error) {
	if _, err := os.Stat(groupRoot + "/cgroup.controllers"); err == nil {
		return []string{groupRoot}, nil
	}
	entries, err := os.ReadDir(groupRoot)
	if err != nil {
		return nil, err
	}
	var folders []string
	for _, e := range entries {
		if e.IsDir() {
			folders = append(folders, filepath.Join(groupRoot, e.Name()))
		}
	}
	return folders, nil
}

// makeGroups makes the control group that holds all of a node. The kubelet does
// not make its own root. With version 1 a cpuset is empty until it is filled.
func makeGroups(name string) error {
	folders, err := hierarchies()
	if err != nil {
		return err
	}
	for _, folder := range folders {
		group := filepath.Join(folder, name)
		if err := os.Mkdir(group, 0o755); err != nil {
			return err
		}
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			text, err := os.ReadFile(filepath.Join(folder, file))
			if err != nil {
				continue // not the hierarchy that has it
			}
			if err := os.WriteFile(filepath.Join(group, file), text, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeGroups removes the group and those below it, innermost first. What still
// holds a dying process stays.
func removeGroups(name string) {
	folders, err := hierarchies()
	if err != nil {
		return
	}
	for _, folder := range folders {
		var groups []string
		filepath.WalkDir(filepath.Join(folder, name), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				groups = append(groups, path)
			}
			return nil
		})
		slices.Reverse(groups)
		for _, g := range groups {
			os.Remove(g)
		}
	}
}
