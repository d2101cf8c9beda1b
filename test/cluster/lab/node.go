package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Handler answers for the containers of a Pod.
type Handler func(pod Object) http.Handler

// EchoName is the handler of every image a node has no other one for: it
// answers with the name of its Pod.
func EchoName(pod Object) http.Handler {
	name := pod.String("metadata", "name")
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, name) })
}

// Node is a played node: the API server sees a ready Node whose Pods run, have
// addresses and end when deleted, and the test binary itself answers HTTP on
// their container ports. Readiness is what the test says (SetReady); probes are
// not run. One goroutine follows the Pods and owns what belongs to them.
type Node struct {
	Name    string
	Address netip.Addr

	client *Client
	images map[string]Handler
	cancel context.CancelFunc
	done   chan struct{}

	mu   sync.Mutex
	pods map[string]*pod // by UID
	next netip.Addr
}

// pod is one Pod that runs here.
type pod struct {
	object  Object
	address netip.Addr
	servers []*http.Server
	ending  bool
}

// Node plays a node until the end of the test. number, from 0 to 253, makes
// its addresses; images says who answers for which image.
func (c *Cluster) Node(t testing.TB, number int, images map[string]Handler) *Node {
	t.Helper()
	base := PodNetwork.Addr().As4()
	base[2] = byte(number)
	ctx, cancel := context.WithCancel(context.Background())
	n := &Node{
		Name: fmt.Sprintf("played-%d", number), client: c.client, images: images,
		cancel: cancel, done: make(chan struct{}), pods: map[string]*pod{},
		Address: netip.AddrFrom4([4]byte{base[0], base[1], base[2], 1}),
		next:    netip.AddrFrom4([4]byte{base[0], base[1], base[2], 2}),
	}
	if err := n.register(ctx); err != nil {
		cancel()
		t.Fatal(err)
	}
	go n.run(ctx)
	t.Cleanup(n.stop)
	return n
}

func (n *Node) register(ctx context.Context) error {
	_, err := n.client.Apply(ctx, Object{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{
		"name": n.Name, "labels": map[string]any{"kubernetes.io/hostname": n.Name, "kubernetes.io/os": "linux", "topology.kubernetes.io/zone": "zone-1"},
	}})
	if err != nil {
		return fmt.Errorf("register node %s: %w", n.Name, err)
	}
	now := time.Now().UTC().Format(time.RFC3339)
	room := map[string]any{"cpu": "64", "memory": "256Gi", "pods": "250"}
	return n.client.Patch(ctx, "v1", "Node", "", n.Name+"/status", map[string]any{"status": map[string]any{
		"capacity": room, "allocatable": room,
		"addresses":  []any{map[string]any{"type": "InternalIP", "address": n.Address.String()}, map[string]any{"type": "Hostname", "address": n.Name}},
		"conditions": []any{map[string]any{"type": "Ready", "status": "True", "reason": "Played", "message": "", "lastHeartbeatTime": now, "lastTransitionTime": now}},
	}})
}

// stop ends the Pods' servers and takes the node away.
func (n *Node) stop() {
	n.cancel()
	<-n.done
	for _, p := range n.pods {
		p.close()
	}
	ctx := context.Background()
	n.client.Delete(ctx, "v1", "Node", "", n.Name, 0)
}

// run follows the node's Pods until the context ends. Watches end now and then,
// and the API server may be away: it begins again.
func (n *Node) run(ctx context.Context) {
	defer close(n.done)
	retry := time.NewTicker(pollInterval)
	defer retry.Stop()
	for ctx.Err() == nil {
		n.follow(ctx) // an error is the end of one watch
		select {
		case <-ctx.Done():
		case <-retry.C:
		}
	}
}

// follow watches from a list of all Pods to the end of the watch.
func (n *Node) follow(ctx context.Context) error {
	query := "fieldSelector=spec.nodeName%3D" + n.Name
	var list struct {
		Metadata struct{ ResourceVersion string }
		Items    []Object
	}
	if err := n.client.Do(ctx, http.MethodGet, "/api/v1/pods?"+query, "", nil, &list); err != nil {
		return err
	}
	present := map[string]bool{}
	for _, o := range list.Items {
		present[o.String("metadata", "uid")] = true
		n.seen(ctx, o)
	}
	n.forget(present)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, n.client.url+"/api/v1/pods?watch=1&"+query+"&resourceVersion="+list.Metadata.ResourceVersion, nil)
	if err != nil {
		return err
	}
	response, err := n.client.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	for d := json.NewDecoder(response.Body); ; {
		var event struct {
			Type   string
			Object Object
		}
		if err := d.Decode(&event); err != nil {
			return err
		}
		switch event.Type {
		case "ADDED", "MODIFIED":
			n.seen(ctx, event.Object)
		case "DELETED":
			n.gone(event.Object.String("metadata", "uid"))
		default: // BOOKMARK and ERROR: list again
			return errors.New(event.Type)
		}
	}
}

// seen brings a Pod nearer to what its object says. A failure is tried again at
// the next event or list.
func (n *Node) seen(ctx context.Context, o Object) {
	uid := o.String("metadata", "uid")
	n.mu.Lock()
	p := n.pods[uid]
	if p == nil {
		p = &pod{object: o, address: n.next}
		n.next = n.next.Next()
		n.pods[uid] = p
	}
	p.object = o
	n.mu.Unlock()
	if o.String("metadata", "deletionTimestamp") != "" {
		n.end(ctx, p)
		return
	}
	if o.String("status", "podIP") != "" {
		return
	}
	if err := p.serve(n.handler(o)); err == nil {
		n.report(ctx, p, "True")
	}
}

func (n *Node) handler(o Object) http.Handler {
	containers, _ := o.At("spec", "containers").([]any)
	first, _ := containers[0].(map[string]any)
	image, _ := first["image"].(string)
	if h := n.images[image]; h != nil {
		return h(o)
	}
	return EchoName(o)
}

// serve listens on the container ports of the Pod's address.
func (p *pod) serve(h http.Handler) error {
	if p.servers != nil {
		return nil
	}
	containers, _ := p.object.At("spec", "containers").([]any)
	for _, c := range containers {
		c, _ := c.(map[string]any)
		ports, _ := c["ports"].([]any)
		for _, port := range ports {
			port, _ := port.(map[string]any)
			number, _ := port["containerPort"].(float64)
			l, err := net.Listen("tcp", net.JoinHostPort(p.address.String(), strconv.Itoa(int(number))))
			if err != nil {
				p.close()
				return err
			}
			s := &http.Server{Handler: h}
			p.servers = append(p.servers, s)
			go s.Serve(l) // ends with close
		}
	}
	return nil
}

func (p *pod) close() {
	for _, s := range p.servers {
		s.Close()
	}
	p.servers = nil
}

// end lets a deleted Pod serve for its grace period, as a program does that
// drains, then ends it and reports it gone.
func (n *Node) end(ctx context.Context, p *pod) {
	n.mu.Lock()
	first := !p.ending
	p.ending = true
	n.mu.Unlock()
	if !first {
		return
	}
	grace, _ := p.object.At("metadata", "deletionGracePeriodSeconds").(float64)
	time.AfterFunc(time.Duration(grace*float64(time.Second)), func() {
		if ctx.Err() != nil {
			return
		}
		n.client.Delete(ctx, "v1", "Pod", p.object.String("metadata", "namespace"), p.object.String("metadata", "name"), 0)
	})
}

// gone releases what belonged to a Pod that is no more.
func (n *Node) gone(uid string) {
	n.mu.Lock()
	p := n.pods[uid]
	delete(n.pods, uid)
	n.mu.Unlock()
	if p != nil {
		p.close()
	}
}

func (n *Node) forget(present map[string]bool) {
	n.mu.Lock()
	var missing []string
	for uid := range n.pods {
		if !present[uid] {
			missing = append(missing, uid)
		}
	}
	n.mu.Unlock()
	for _, uid := range missing {
		n.gone(uid)
	}
}

// SetReady says whether a Pod's readiness probe would succeed.
func (n *Node) SetReady(ctx context.Context, namespace, name string, ready bool) error {
	n.mu.Lock()
	var found *pod
	for _, p := range n.pods {
		if p.object.Name() == namespace+"/"+name {
			found = p
		}
	}
	n.mu.Unlock()
	if found == nil {
		return fmt.Errorf("node %s has no Pod %s/%s", n.Name, namespace, name)
	}
	status := "False"
	if ready {
		status = "True"
	}
	return n.report(ctx, found, status)
}

// report writes the status of a running Pod.
func (n *Node) report(ctx context.Context, p *pod, ready string) error {
	now := time.Now().UTC().Format(time.RFC3339)
	condition := func(name, status string) any {
		return map[string]any{"type": name, "status": status, "lastTransitionTime": now}
	}
	var states []any
	containers, _ := p.object.At("spec", "containers").([]any)
	for _, c := range containers {
		c, _ := c.(map[string]any)
		states = append(states, map[string]any{
			"name": c["name"], "image": c["image"], "imageID": "", "ready": ready == "True", "restartCount": 0,
			"state": map[string]any{"running": map[string]any{"startedAt": now}},
		})
	}
	address := p.address.String()
	return n.client.Patch(ctx, "v1", "Pod", p.object.String("metadata", "namespace"), p.object.String("metadata", "name")+"/status", map[string]any{"status": map[string]any{
		"phase": "Running", "podIP": address, "podIPs": []any{map[string]any{"ip": address}}, "hostIP": n.Address.String(), "startTime": now,
		"conditions": []any{
			condition("PodScheduled", "True"), condition("Initialized", "True"),
			condition("ContainersReady", ready), condition("Ready", ready),
		},
		"containerStatuses": states,
	}})
}
