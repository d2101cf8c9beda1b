package standalone

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"daemun/internal/ir"
)

// ignored names the fields of a Pod that have no effect on one machine and
// whose absence a user could notice; what only tunes a cluster is passed over.
// several says that there is more than one node to choose from.
func ignored(e *podEntry, several bool) (out []ir.Problem) {
	note := func(field, message string) {
		out = append(out, ir.Problem{Code: CodeIgnored, Severity: ir.SeverityNotice, Object: refOf(e.source), Field: e.prefix + "spec." + field, Message: message})
	}
	spec := &e.pod.Spec
	if spec.ActiveDeadlineSeconds != nil {
		note("activeDeadlineSeconds", "has no effect on one machine: the Pod may run longer")
	}
	if several && spec.Affinity != nil {
		note("affinity", "has no effect on one machine: Pods go to the node with the fewest; use nodeSelector to choose one")
	}
	for i := range spec.Volumes {
		v := &spec.Volumes[i]
		if v.Projected == nil || isTokenVolume(v) {
			continue
		}
		for j := range v.Projected.Sources {
			src := &v.Projected.Sources[j]
			field := fmt.Sprintf("volumes[%d].projected.sources[%d].", i, j)
			switch {
			case src.ServiceAccountToken != nil:
				note(field+"serviceAccountToken", fmt.Sprintf("there is no API server that could issue a token: the file %s is left out", src.ServiceAccountToken.Path))
			case src.ClusterTrustBundle != nil:
				note(field+"clusterTrustBundle", "there is no API server that keeps trust bundles: the file is left out")
			case src.PodCertificate != nil:
				note(field+"podCertificate", "there is no API server that could issue a certificate: its files are left out")
			}
		}
	}
	return out
}

// isTokenVolume recognises the volume with which every cluster gives every Pod
// access to its API: it is in exported Pods, and no user wrote it.
func isTokenVolume(v *corev1.Volume) bool {
	return v.Projected != nil && (strings.HasPrefix(v.Name, "kube-api-access-") || strings.HasPrefix(v.Name, "default-token-"))
}
