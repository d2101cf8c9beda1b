package standalone

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	goruntime "runtime"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"daemun/internal/ir"
)

// defaultNode is the node when the manifests have none.
const defaultNode = "local"

// nodes are the simulated machines. The control goroutine owns it.
type nodes struct {
	addresses *addressRange
	pods      *podNetworks
	held      map[string]*nodeAddresses
	derived   map[string]derivedNode
	list      []*corev1.Node  // sorted by name
	topology  topology        // of list
	shown     map[string]bool // in the store
}

type derivedNode struct{ from, to *corev1.Node }

// nodeAddresses are what a node keeps while it exists, however its manifest
// changes: Pods run there.
type nodeAddresses struct {
	own    netip.Addr
	blocks []netip.Prefix
}

func newNodes(network, pods netip.Prefix) *nodes {
	return &nodes{
		addresses: newAddressRange(network), pods: newPodNetworks(pods),
		held: map[string]*nodeAddresses{}, derived: map[string]derivedNode{},
	}
}

// update brings the nodes in line with the manifests' Node objects. Unchanged
// nodes keep their object.
func (n *nodes) update(wanted map[string]*corev1.Node) {
	if len(wanted) == 0 {
		node := n.derived[defaultNode].from
		if node == nil || node.UID != "" {
			node = &corev1.Node{}
			node.Name = defaultNode
		}
		wanted = map[string]*corev1.Node{defaultNode: node}
	}
	for name, h := range n.held {
		if wanted[name] == nil {
			n.addresses.release(h.own)
			n.pods.disown(h.blocks)
			delete(n.held, name)
			delete(n.derived, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if n.derived[name].from != wanted[name] {
			n.derived[name] = derivedNode{wanted[name], n.derive(wanted[name])}
		}
	}
	n.refresh()
}

// refresh makes what follows from the derived nodes.
func (n *nodes) refresh() {
	n.list = n.list[:0:0]
	for _, name := range slices.Sorted(maps.Keys(n.derived)) {
		n.list = append(n.list, n.derived[name].to)
	}
	n.topology = topologyOf(n.list)
}

// podAddress takes an address for a Pod from the blocks of its node, and a
// further block when all are full.
func (n *nodes) podAddress(node string) (netip.Addr, error) {
	h := n.held[node]
	if h == nil {
		return netip.Addr{}, n.pods.full(node)
	}
	if a, ok := n.pods.take(h.blocks); ok {
		return a, nil
	}
	b, ok := n.pods.claim(node, "")
	if !ok {
		return netip.Addr{}, n.pods.full(node)
	}
	h.blocks = append(h.blocks, b)
	from := n.derived[node].from
	n.derived[node] = derivedNode{from, n.derive(from)}
	n.refresh()
	a, _ := n.pods.take(h.blocks) // a new block has addresses
	return a, nil
}

func nodeIP(n *corev1.Node) string {
	for _, a := range n.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			return a.Address
		}
	}
	return ""
}

func (n *nodes) derive(from *corev1.Node) *corev1.Node {
	node := from.DeepCopy()
	if node.CreationTimestamp.IsZero() {
		node.CreationTimestamp = metav1.Now()
	}
	if node.Labels == nil {
		node.Labels = map[string]string{}
	}
	for k, v := range map[string]string{corev1.LabelHostname: node.Name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: goruntime.GOARCH} {
		if node.Labels[k] == "" {
			node.Labels[k] = v
		}
	}
	h := n.hold(from)
	if nodeIP(node) == "" && h.own.IsValid() {
		node.Status.Addresses = append(node.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: h.own.String()})
	}
	node.Spec.PodCIDR, node.Spec.PodCIDRs = "", nil
	for _, b := range h.blocks {
		node.Spec.PodCIDRs = append(node.Spec.PodCIDRs, b.String())
	}
	if len(h.blocks) > 0 {
		node.Spec.PodCIDR = node.Spec.PodCIDRs[0]
	}
	node.Status.Addresses = append(node.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeHostName, Address: node.Name})
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady"}}
	return node
}

// hold gives a node its addresses: its own, unless it brings one, and a block
// for Pods.
func (n *nodes) hold(node *corev1.Node) *nodeAddresses {
	h := n.held[node.Name]
	if h == nil {
		h = &nodeAddresses{}
		n.held[node.Name] = h
		if b, ok := n.pods.claim(node.Name, node.Spec.PodCIDR); ok {
			h.blocks = append(h.blocks, b)
		}
	}
	if nodeIP(node) == "" && !h.own.IsValid() {
		// The lowest free one: nodes keep their addresses between starts.
		n.addresses.next = 0
		h.own, _ = n.addresses.sequential() // without a free one it has none
	}
	return h
}

func (n *nodes) get(name string) *corev1.Node { return n.derived[name].to }

// fit returns the nodes that a Pod may run on.
func (n *nodes) fit(spec *corev1.PodSpec) []*corev1.Node {
	selector := labels.SelectorFromSet(spec.NodeSelector)
	var out []*corev1.Node
	for _, node := range n.list {
		if selector.Matches(labels.Set(node.Labels)) && !node.Spec.Unschedulable {
			out = append(out, node)
		}
	}
	return out
}

// choose picks the node for a Pod: the named one, or the least loaded of those
// that fit.
func (n *nodes) choose(spec *corev1.PodSpec, load map[string]int) (*corev1.Node, error) {
	if spec.NodeName != "" {
		if node := n.get(spec.NodeName); node != nil {
			return node, nil
		}
		return nil, fmt.Errorf("there is no node %q; add a Node object of that name or remove nodeName", spec.NodeName)
	}
	fit := n.fit(spec)
	switch {
	case len(fit) == 0 && len(spec.NodeSelector) == 0:
		return nil, errors.New("every node is marked unschedulable; remove spec.unschedulable from one")
	case len(fit) == 0:
		return nil, fmt.Errorf("no node that takes Pods has the labels %s of nodeSelector; add them to a Node object or remove nodeSelector", labels.Set(spec.NodeSelector))
	}
	return slices.MinFunc(fit, func(a, b *corev1.Node) int {
		return cmp.Or(cmp.Compare(load[a.Name], load[b.Name]), cmp.Compare(a.Name, b.Name))
	}), nil
}

func scheduleProblem(e *podEntry, err error) ir.Problem {
	field := "spec.nodeSelector"
	if e.pod.Spec.NodeName != "" {
		field = "spec.nodeName"
	}
	return ir.Problem{Code: CodeSchedule, Severity: ir.SeverityError, Object: refOf(e.source), Field: e.prefix + field, Message: err.Error()}
}

// lost returns the nodes shown earlier and not in shown, once.
func (n *nodes) lost(shown map[string]bool) (gone []string) {
	for name := range n.shown {
		if !shown[name] {
			gone = append(gone, name)
		}
	}
	n.shown = shown
	return gone
}
