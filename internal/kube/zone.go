package kube

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"daemun/internal/store"
)

// Zone returns the zone of a node; without its name, of the node of a Pod. An
// error says why there is none.
func (c *Cluster) Zone(ctx context.Context, node string, pod store.Name) (string, error) {
	if node == "" {
		if pod.Name == "" || pod.Namespace == "" {
			return "", errors.New("the environment has no NODE_NAME, and no POD_NAME with POD_NAMESPACE")
		}
		self := &corev1.Pod{}
		if err := (&requestBuilder{c, pod.Namespace}).get(ctx, "pods", pod.Name, self); err != nil {
			return "", err
		}
		if node = self.Spec.NodeName; node == "" {
			return "", fmt.Errorf("pod %s/%s is on no node", pod.Namespace, pod.Name)
		}
	}
	object := &corev1.Node{}
	if err := (&requestBuilder{c, ""}).get(ctx, "nodes", node, object); err != nil {
		return "", err
	}
	zone := object.Labels[corev1.LabelTopologyZone]
	if zone == "" {
		return "", fmt.Errorf("node %s has no label %s", node, corev1.LabelTopologyZone)
	}
	return zone, nil
}
