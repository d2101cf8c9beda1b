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
	derived   map[string]derivedNode
	list      []*corev1.Node  // sorted by name
	shown     map[string]bool // in the store
}

type derivedNode struct{ from, to *corev1.Node }

func newNodes(network netip.Prefix) *nodes {
	return &nodes{addresses: newAddressRange(network), derived: map[string]derivedNode{}}
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
	for name, d := range n.derived {
		if wanted[name] != d.from {
			if a, err := netip.ParseAddr(nodeIP(d.to)); err == nil && nodeIP(d.from) == "" {
				n.addresses.release(a)
			}
			delete(n.derived, name)
		}
	}
	n.list = n.list[:0:0]
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		d, ok := n.derived[name]
		if !ok {
			d = derivedNode{wanted[name], n.derive(wanted[name])}
			n.derived[name] = d
		}
		n.list = append(n.list, d.to)
	}
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
	if nodeIP(node) == "" {
		// The lowest free one: nodes keep their addresses between starts.
		n.addresses.next = 0
		if a, err := n.addresses.sequential(); err == nil {
			node.Status.Addresses = append(node.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: a.String()})
		}
	}
	node.Status.Addresses = append(node.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeHostName, Address: node.Name})
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady"}}
	return node
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
