package manifest

import (
	"fmt"
	"net/netip"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
)

func finishEndpoints(c *checker, o *corev1.Endpoints) {
	defaultEndpoints(o)
	for i, s := range o.Subsets {
		f := fmt.Sprintf("subsets[%d]", i)
		for j, a := range s.Addresses {
			c.endpoint(sub(at(f, "addresses", j), "ip"), a.IP)
		}
		for j, a := range s.NotReadyAddresses {
			c.endpoint(sub(at(f, "notReadyAddresses", j), "ip"), a.IP)
		}
		for j, p := range s.Ports {
			pf := at(f, "ports", j)
			c.port(sub(pf, "port"), p.Port)
			oneOf(c, sub(pf, "protocol"), p.Protocol, corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP)
			if p.Name == "" && len(s.Ports) > 1 {
				c.missing(sub(pf, "name"), "is missing: every port wants a name when there are several")
			}
		}
	}
}

// endpoint checks an address that traffic is sent to.
func (c *checker) endpoint(field, text string) netip.Addr {
	ip := c.address(field, text)
	if ip.IsValid() && !isDestination(ip) {
		c.invalid(field, "%s is not the address of an endpoint: write that of one machine, such as 192.0.2.10", text)
	}
	return ip
}

func finishEndpointSlice(c *checker, o *discoveryv1.EndpointSlice) {
	defaultEndpointSlice(o)
	oneOf(c, "addressType", o.AddressType, discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6, discoveryv1.AddressTypeFQDN)
	for i, e := range o.Endpoints {
		f := fmt.Sprintf("endpoints[%d]", i)
		if len(e.Addresses) == 0 {
			c.missing(sub(f, "addresses"), "is missing: write at least one address")
		}
		for j, a := range e.Addresses {
			af := at(f, "addresses", j)
			if o.AddressType == discoveryv1.AddressTypeFQDN {
				c.valid(af, trimDot(a), validation.IsDNS1123Subdomain)
				continue
			}
			if ip := c.endpoint(af, a); ip.IsValid() && ip.Is4() != (o.AddressType == discoveryv1.AddressTypeIPv4) {
				c.invalid(af, "%s is not of addressType %s: a slice holds one type only", a, o.AddressType)
			}
		}
	}
	names := map[string]bool{}
	for i, p := range o.Ports {
		f := fmt.Sprintf("ports[%d]", i)
		if p.Port != nil {
			c.port(sub(f, "port"), *p.Port)
		}
		oneOf(c, sub(f, "protocol"), *p.Protocol, corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP)
		if *p.Name == "" && len(o.Ports) > 1 {
			c.missing(sub(f, "name"), "is missing: every port wants a name when there are several")
		}
		c.unique(names, sub(f, "name"), *p.Name)
	}
}

func finishSecret(c *checker, o *corev1.Secret) {
	for k := range o.StringData {
		c.valid("stringData["+k+"]", k, validation.IsConfigMapKey)
	}
	for k := range o.Data {
		c.valid("data["+k+"]", k, validation.IsConfigMapKey)
	}
	defaultSecret(o)
	if o.Type == corev1.SecretTypeTLS {
		for _, k := range []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey} {
			if _, ok := o.Data[k]; !ok {
				c.missing("data["+k+"]", "is missing: a Secret of type %s wants tls.crt and tls.key", o.Type)
			}
		}
	}
}

func finishConfigMap(c *checker, o *corev1.ConfigMap) {
	for k := range o.Data {
		c.valid("data["+k+"]", k, validation.IsConfigMapKey)
	}
	for k := range o.BinaryData {
		c.valid("binaryData["+k+"]", k, validation.IsConfigMapKey)
		if _, twice := o.Data[k]; twice {
			c.invalid("binaryData["+k+"]", "is in data too: keep one")
		}
	}
}

func finishNamespace(*checker, *corev1.Namespace) {}

func finishNode(c *checker, o *corev1.Node) {
	for i, a := range o.Status.Addresses {
		if a.Type == corev1.NodeInternalIP || a.Type == corev1.NodeExternalIP {
			c.address(sub(at("status", "addresses", i), "address"), a.Address)
		}
	}
}

func finishPod(c *checker, o *corev1.Pod) {
	defaultPodSpec(&o.Spec)
	c.podSpec("spec", &o.Spec)
}

func finishDeployment(c *checker, o *appsv1.Deployment) {
	defaultSelector(c, &o.Spec.Selector, o.Spec.Template.Labels)
	c.workload(&o.Spec.Replicas, o.Spec.Selector, &o.Spec.Template)
	if t := o.Spec.Strategy.Type; t != "" {
		oneOf(c, "spec.strategy.type", t, appsv1.RollingUpdateDeploymentStrategyType, appsv1.RecreateDeploymentStrategyType)
	}
}

func finishReplicaSet(c *checker, o *appsv1.ReplicaSet) {
	defaultSelector(c, &o.Spec.Selector, o.Spec.Template.Labels)
	c.workload(&o.Spec.Replicas, o.Spec.Selector, &o.Spec.Template)
}

func finishStatefulSet(c *checker, o *appsv1.StatefulSet) {
	defaultSelector(c, &o.Spec.Selector, o.Spec.Template.Labels)
	defaultTo(&o.Spec.PodManagementPolicy, appsv1.OrderedReadyPodManagement)
	oneOf(c, "spec.podManagementPolicy", o.Spec.PodManagementPolicy, appsv1.OrderedReadyPodManagement, appsv1.ParallelPodManagement)
	claims := make([]string, len(o.Spec.VolumeClaimTemplates))
	for i := range claims {
		claims[i] = o.Spec.VolumeClaimTemplates[i].Name
		c.valid(sub(at("spec", "volumeClaimTemplates", i), "metadata.name"), claims[i], validation.IsDNS1123Subdomain)
	}
	c.workload(&o.Spec.Replicas, o.Spec.Selector, &o.Spec.Template, claims...)
}

func finishDaemonSet(c *checker, o *appsv1.DaemonSet) {
	defaultSelector(c, &o.Spec.Selector, o.Spec.Template.Labels)
	c.workload(nil, o.Spec.Selector, &o.Spec.Template)
}

func finishJob(c *checker, o *batchv1.Job) {
	s := &o.Spec
	defaultJob(s)
	c.atLeast("spec.parallelism", *s.Parallelism, 0)
	c.atLeast("spec.backoffLimit", *s.BackoffLimit, 0)
	if s.Completions != nil {
		c.atLeast("spec.completions", *s.Completions, 0)
	}
	if p := s.Template.Spec.RestartPolicy; p == "" || p == corev1.RestartPolicyAlways {
		c.invalid("spec.template.spec.restartPolicy", "a Job ends: write Never or OnFailure")
	}
	defaultPodSpec(&s.Template.Spec)
	c.labels("spec.template.metadata.labels", s.Template.Labels)
	c.podSpec("spec.template.spec", &s.Template.Spec)
}

// workload checks what Deployments and their relatives have in common; claims
// are those of podSpec.
func (c *checker) workload(replicas **int32, selector *metav1.LabelSelector, t *corev1.PodTemplateSpec, claims ...string) {
	if replicas != nil {
		defaultPointer(replicas, 1)
		c.atLeast("spec.replicas", **replicas, 0)
	}
	defaultPodSpec(&t.Spec)
	c.labels("spec.template.metadata.labels", t.Labels)
	if t.Spec.RestartPolicy != corev1.RestartPolicyAlways {
		c.invalid("spec.template.spec.restartPolicy", "%s is not allowed here: write Always or leave it out; programs that end belong in a Job", t.Spec.RestartPolicy)
	}
	c.podSpec("spec.template.spec", &t.Spec, claims...)
	if selector == nil || len(selector.MatchLabels)+len(selector.MatchExpressions) == 0 {
		c.missing("spec.selector", "is missing: write matchLabels with the labels of spec.template.metadata")
		return
	}
	before := len(c.faults)
	c.selector("spec.selector", selector)
	if len(c.faults) > before {
		return
	}
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		c.invalid("spec.selector", "%v", err)
		return
	}
	if !s.Matches(labels.Set(t.Labels)) {
		c.invalid("spec.selector", "%s does not match the labels of the template (%s): make spec.template.metadata.labels contain them", s, labels.Set(t.Labels))
	}
}
