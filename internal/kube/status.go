package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"daemun/internal/store"
)

// StatusConfig says what addresses Ingresses show. The first of Addresses,
// Service and Self that is set decides.
type StatusConfig struct {
	Source *Source
	// Addresses are IP addresses and host names as such.
	Addresses []string
	// Service is the one that leads to this Daemun.
	Service store.Name
	// Self is the Pod of this Daemun: the addresses are those of the nodes
	// of it and its like; Internal prefers their internal addresses.
	Self     store.Name
	Internal bool
	// Served lists the Ingresses that are in service: a rejected one must not
	// look as if it were (its host would get a name in DNS, for one).
	Served func() []store.Name
	// Interval is the time between two looks at everything.
	Interval time.Duration
	Logger   *slog.Logger
}

// Status keeps the addresses in the status of the Ingresses that are served.
type Status struct {
	StatusConfig
	cluster *Cluster
	changed chan struct{}
	// unpatchable: the permissions are those of ingress-nginx, which lets
	// status be replaced, not patched.
	unpatchable atomic.Bool

	mu      sync.Mutex // held while writing
	cleared bool
	// written are the Ingresses that were written to: the news of it may not
	// have come back yet.
	written map[store.Name]bool
}

// workers write at the same time; the API server slows them down if it must.
const statusWorkers = 8

// statusTimeout bounds one write.
const statusTimeout = 10 * time.Second

// NewStatus returns a writer that has written nothing.
func NewStatus(c StatusConfig) *Status {
	return &Status{StatusConfig: c, cluster: c.Source.Cluster, changed: make(chan struct{}, 1), written: map[store.Name]bool{}}
}

// Changed says that the set of Ingresses or the address may be another one.
func (s *Status) Changed() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// gather is how long changes are collected before status is written.
const gather = 200 * time.Millisecond

// Run writes until ctx ends.
func (s *Status) Run(ctx context.Context) {
	retry := time.NewTimer(0)
	defer retry.Stop()
	var wait time.Duration
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.changed:
		case <-s.Source.Addressed():
		case <-retry.C:
		}
		retry.Reset(gather)
		select {
		case <-ctx.Done():
			return
		case <-retry.C:
		}
		if s.update(ctx) {
			wait = s.Interval
		} else {
			wait = min(max(2*wait, 2*time.Second), s.Interval)
		}
		retry.Reset(wait)
	}
}

func (s *Status) update(ctx context.Context) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cleared {
		return true
	}
	want := s.want(ctx)
	if want == nil {
		return false
	}
	return s.write(ctx, s.Source.differing(s.Served(), want), want)
}

// Clear takes the addresses away unless other replicas go on serving. It is
// the end: Run writes nothing afterwards.
func (s *Status) Clear(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleared = true
	if s.others(ctx) {
		s.Logger.Info("addresses stay in the status of Ingresses: other replicas serve them")
		return
	}
	none := []networkingv1.IngressLoadBalancerIngress{}
	served := s.Served()
	list := s.Source.differing(served, none)
	for _, name := range served {
		if s.written[name] {
			list = append(list, name)
		}
	}
	slices.SortFunc(list, func(a, b store.Name) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	list = slices.Compact(list)
	s.write(ctx, list, none)
}

// write brings Ingresses to the wanted addresses. It reports whether nothing is
// left to do.
func (s *Status) write(ctx context.Context, list []store.Name, want []networkingv1.IngressLoadBalancerIngress) bool {
	todo := make(chan store.Name)
	var wg sync.WaitGroup
	var failed atomic.Int64
	var first atomic.Pointer[error]
	for range statusWorkers {
		wg.Go(func() {
			for name := range todo {
				if err := s.writeOne(ctx, name, want); err != nil && ctx.Err() == nil {
					failed.Add(1)
					first.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	for _, name := range list {
		if ctx.Err() != nil {
			break
		}
		s.written[name] = true
		todo <- name
	}
	close(todo)
	wg.Wait()
	if n := failed.Load(); n > 0 {
		s.Logger.Warn("status of Ingresses not written; trying again", "failed", n, "of", len(list), "err", *first.Load())
	}
	return failed.Load() == 0
}

// differing lists the Ingresses whose status has other addresses.
func (s *Source) differing(names []store.Name, want []networkingv1.IngressLoadBalancerIngress) (list []store.Name) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		key := store.Key{Kind: "Ingress", Namespace: name.Namespace, Name: name.Name}
		if s.sinkOf(key) == nil {
			continue // deleted since
		}
		now := s.addresses[key]
		if len(now)+len(want) > 0 && !reflect.DeepEqual(now, want) {
			list = append(list, name)
		}
	}
	return list
}

// writeOne patches, which needs no knowledge of the rest of the object and so
// has no conflicts.
func (s *Status) writeOne(ctx context.Context, name store.Name, want []networkingv1.IngressLoadBalancerIngress) error {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	if !s.unpatchable.Load() {
		patch, err := json.Marshal(map[string]any{"status": networkingv1.IngressStatus{LoadBalancer: networkingv1.IngressLoadBalancerStatus{Ingress: want}}})
		if err != nil {
			return err
		}
		if len(want) == 0 { // omitted when empty, which would change nothing
			patch = []byte(`{"status":{"loadBalancer":{"ingress":null}}}`)
		}
		err = s.cluster.networking.Patch(types.MergePatchType).Namespace(name.Namespace).Resource("ingresses").Name(name.Name).SubResource("status").
			Body(patch).Do(ctx).Error()
		if !apierrors.IsForbidden(err) {
			return ignoreGone(err)
		}
		s.unpatchable.Store(true)
	}
	return s.replaceOne(ctx, name, want)
}

// replaceOne is for permissions to update only; a conflict means that another
// has changed the object meanwhile.
func (s *Status) replaceOne(ctx context.Context, name store.Name, want []networkingv1.IngressLoadBalancerIngress) (err error) {
	const tries = 5
	for range tries {
		in := &networkingv1.Ingress{}
		err = s.cluster.networking.Get().Namespace(name.Namespace).Resource("ingresses").Name(name.Name).Do(ctx).Into(in)
		if err != nil {
			return ignoreGone(err)
		}
		in.Status.LoadBalancer.Ingress = want
		err = s.cluster.networking.Put().Namespace(name.Namespace).Resource("ingresses").Name(name.Name).SubResource("status").Body(in).Do(ctx).Error()
		if !apierrors.IsConflict(err) {
			return ignoreGone(err)
		}
	}
	return err
}

// ignoreGone: an Ingress that is deleted needs no status.
func ignoreGone(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// want returns the addresses to write, sorted; nil if they cannot be known now.
func (s *Status) want(ctx context.Context) []networkingv1.IngressLoadBalancerIngress {
	var texts []string
	switch {
	case len(s.Addresses) > 0:
		texts = s.Addresses
	case s.Service != (store.Name{}):
		service := s.Source.Store.View().Services[s.Service]
		if service == nil {
			s.Logger.Warn("no address for the status of Ingresses: --publish-service names no Service", "namespace", s.Service.Namespace, "name", s.Service.Name)
			return nil
		}
		texts = serviceAddresses(service)
	case s.Self != (store.Name{}):
		var err error
		if texts, err = s.nodeAddresses(ctx); err != nil {
			if ctx.Err() == nil {
				s.Logger.Warn("no address for the status of Ingresses", "err", err)
			}
			return nil
		}
	default:
		return nil
	}
	return statusOf(texts)
}

func statusOf(texts []string) []networkingv1.IngressLoadBalancerIngress {
	list := []networkingv1.IngressLoadBalancerIngress{}
	for _, text := range texts {
		if _, err := netip.ParseAddr(text); err == nil {
			list = append(list, networkingv1.IngressLoadBalancerIngress{IP: text})
		} else if text != "" {
			list = append(list, networkingv1.IngressLoadBalancerIngress{Hostname: text})
		}
	}
	order := func(a, b networkingv1.IngressLoadBalancerIngress) int {
		return cmp.Or(cmp.Compare(a.IP, b.IP), cmp.Compare(a.Hostname, b.Hostname))
	}
	slices.SortFunc(list, order)
	return slices.CompactFunc(list, func(a, b networkingv1.IngressLoadBalancerIngress) bool { return order(a, b) == 0 })
}

// serviceAddresses are those under which a Service can be reached
// (ingress-nginx §7).
func serviceAddresses(s *corev1.Service) (list []string) {
	switch s.Spec.Type {
	case corev1.ServiceTypeExternalName:
		return []string{s.Spec.ExternalName}
	case corev1.ServiceTypeLoadBalancer:
		for _, in := range s.Status.LoadBalancer.Ingress {
			list = append(list, cmp.Or(in.IP, in.Hostname))
		}
		return append(list, s.Spec.ExternalIPs...)
	case corev1.ServiceTypeNodePort:
		if len(s.Spec.ExternalIPs) > 0 {
			return s.Spec.ExternalIPs
		}
	}
	return []string{s.Spec.ClusterIP}
}

// siblings are the running Pods of this Daemun's own kind.
func (s *Status) siblings(ctx context.Context) ([]corev1.Pod, error) {
	self := &corev1.Pod{}
	pods := func() *requestBuilder { return &requestBuilder{s.cluster, s.Self.Namespace} }
	if err := pods().get(ctx, "pods", s.Self.Name, self); err != nil {
		return nil, err
	}
	for _, label := range []string{"pod-template-hash", "controller-revision-hash", "pod-template-generation"} {
		delete(self.Labels, label)
	}
	list := &corev1.PodList{}
	err := pods().list(ctx, "pods", metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: self.Labels})}, list)
	return slices.DeleteFunc(list.Items, func(p corev1.Pod) bool {
		return p.Status.Phase != corev1.PodRunning || p.DeletionTimestamp != nil && p.Name != s.Self.Name
	}), err
}

func (s *Status) others(ctx context.Context) bool {
	if s.Self == (store.Name{}) {
		return false
	}
	pods, err := s.siblings(ctx)
	if err != nil {
		s.Logger.Warn("not known whether other replicas serve; addresses stay in the status of Ingresses", "err", err)
		return true
	}
	return slices.ContainsFunc(pods, func(p corev1.Pod) bool { return p.Name != s.Self.Name })
}

// nodeAddresses are those of the nodes with a ready replica.
func (s *Status) nodeAddresses(ctx context.Context) (list []string, err error) {
	pods, err := s.siblings(ctx)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for i := range pods {
		name := pods[i].Spec.NodeName
		if name == "" || seen[name] || !isReady(&pods[i]) {
			continue
		}
		seen[name] = true
		node := &corev1.Node{}
		if err := (&requestBuilder{s.cluster, ""}).get(ctx, "nodes", name, node); err != nil {
			return nil, err
		}
		list = append(list, nodeAddress(node, s.Internal))
	}
	return list, nil
}

func isReady(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// nodeAddress is the external address, the internal one where there is none or
// where that is preferred.
func nodeAddress(n *corev1.Node, internal bool) string {
	find := func(t corev1.NodeAddressType) string {
		for _, a := range n.Status.Addresses {
			if a.Type == t && a.Address != "" {
				return a.Address
			}
		}
		return ""
	}
	if internal {
		return find(corev1.NodeInternalIP)
	}
	return cmp.Or(find(corev1.NodeExternalIP), find(corev1.NodeInternalIP))
}
