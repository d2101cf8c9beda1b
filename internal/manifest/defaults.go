package manifest

import (
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// The defaults of the API server that other packages rely on, and no others:
//
//	Service         type ClusterIP; sessionAffinity None (ClientIP: timeout 10800 s);
//	                internalTrafficPolicy Cluster; externalTrafficPolicy Cluster for
//	                NodePort, LoadBalancer and with externalIPs; ports: protocol TCP, targetPort = port
//	Endpoints       ports: protocol TCP
//	EndpointSlice   ports: protocol TCP, name ""
//	Secret          type Opaque; stringData merged into data
//	Pod templates   restartPolicy Always (Job: see below); dnsPolicy ClusterFirst;
//	                terminationGracePeriodSeconds 30; container ports: protocol TCP
//	Probes          timeoutSeconds 1, periodSeconds 10, successThreshold 1,
//	                failureThreshold 3; httpGet: path "/", scheme HTTP; grpc: service ""
//	Deployment, ReplicaSet, StatefulSet
//	                replicas 1; StatefulSet: podManagementPolicy OrderedReady
//	Job             parallelism 1, completions 1 (unless parallelism is given),
//	                backoffLimit 6; restartPolicy has no default
//	Ingress         pathType ImplementationSpecific (with a notice)

func defaultTo[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func defaultPointer[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

func defaultService(o *corev1.Service) {
	s := &o.Spec
	defaultTo(&s.Type, corev1.ServiceTypeClusterIP)
	defaultTo(&s.SessionAffinity, corev1.ServiceAffinityNone)
	if s.SessionAffinity == corev1.ServiceAffinityClientIP {
		defaultPointer(&s.SessionAffinityConfig, corev1.SessionAffinityConfig{})
		defaultPointer(&s.SessionAffinityConfig.ClientIP, corev1.ClientIPConfig{})
		defaultPointer(&s.SessionAffinityConfig.ClientIP.TimeoutSeconds, int32(corev1.DefaultClientIPServiceAffinitySeconds))
	}
	if s.Type != corev1.ServiceTypeExternalName {
		defaultPointer(&s.InternalTrafficPolicy, corev1.ServiceInternalTrafficPolicyCluster)
	}
	if isExternal(s) {
		defaultTo(&s.ExternalTrafficPolicy, corev1.ServiceExternalTrafficPolicyCluster)
	}
	for i := range s.Ports {
		p := &s.Ports[i]
		defaultTo(&p.Protocol, corev1.ProtocolTCP)
		if p.TargetPort == (intstr.IntOrString{}) || p.TargetPort == intstr.FromString("") {
			p.TargetPort = intstr.FromInt32(p.Port)
		}
	}
}

func defaultEndpoints(o *corev1.Endpoints) {
	for i := range o.Subsets {
		for j := range o.Subsets[i].Ports {
			defaultTo(&o.Subsets[i].Ports[j].Protocol, corev1.ProtocolTCP)
		}
	}
}

func defaultEndpointSlice(o *discoveryv1.EndpointSlice) {
	for i := range o.Ports {
		defaultPointer(&o.Ports[i].Protocol, corev1.ProtocolTCP)
		defaultPointer(&o.Ports[i].Name, "")
	}
}

func defaultSecret(o *corev1.Secret) {
	defaultTo(&o.Type, corev1.SecretTypeOpaque)
	if len(o.StringData) > 0 && o.Data == nil {
		o.Data = make(map[string][]byte, len(o.StringData))
	}
	for k, v := range o.StringData {
		o.Data[k] = []byte(v)
	}
	o.StringData = nil
}

func defaultPodSpec(s *corev1.PodSpec) {
	defaultTo(&s.RestartPolicy, corev1.RestartPolicyAlways)
	defaultTo(&s.DNSPolicy, corev1.DNSClusterFirst)
	defaultPointer(&s.TerminationGracePeriodSeconds, int64(corev1.DefaultTerminationGracePeriodSeconds))
	for _, list := range [][]corev1.Container{s.InitContainers, s.Containers} {
		for i := range list {
			c := &list[i]
			for j := range c.Ports {
				defaultTo(&c.Ports[j].Protocol, corev1.ProtocolTCP)
			}
			for _, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
				defaultProbe(p)
			}
		}
	}
}

func defaultProbe(p *corev1.Probe) {
	if p == nil {
		return
	}
	defaultTo(&p.TimeoutSeconds, 1)
	defaultTo(&p.PeriodSeconds, 10)
	defaultTo(&p.SuccessThreshold, 1)
	defaultTo(&p.FailureThreshold, 3)
	if p.HTTPGet != nil {
		defaultTo(&p.HTTPGet.Path, "/")
		defaultTo(&p.HTTPGet.Scheme, corev1.URISchemeHTTP)
	}
	if p.GRPC != nil {
		defaultPointer(&p.GRPC.Service, "")
	}
}

func defaultJob(s *batchv1.JobSpec) {
	if s.Parallelism == nil {
		defaultPointer(&s.Completions, 1)
	}
	defaultPointer(&s.Parallelism, 1)
	defaultPointer(&s.BackoffLimit, 6)
}

// defaultSelector is what the old versions of workloads did without one.
func defaultSelector(c *checker, s **metav1.LabelSelector, labels map[string]string) {
	if c.old && *s == nil && len(labels) > 0 {
		*s = &metav1.LabelSelector{MatchLabels: labels}
	}
}
