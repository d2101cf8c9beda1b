package manifest

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
)

// podSpec checks a Pod; claims are the names of volumes that come from
// volumeClaimTemplates.
func (c *checker) podSpec(field string, s *corev1.PodSpec, claims ...string) {
	oneOf(c, sub(field, "restartPolicy"), s.RestartPolicy, corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever)
	if *s.TerminationGracePeriodSeconds < 0 {
		c.invalid(sub(field, "terminationGracePeriodSeconds"), "%d is not allowed: write 0 or more", *s.TerminationGracePeriodSeconds)
	}
	if len(s.Containers) == 0 {
		c.missing(sub(field, "containers"), "is missing: write at least one container")
	}
	volumes := map[string]bool{}
	for i, v := range s.Volumes {
		f := sub(at(field, "volumes", i), "name")
		c.valid(f, v.Name, validation.IsDNS1123Label)
		c.unique(volumes, f, v.Name)
	}
	for _, name := range claims { // a claim takes the place of a volume of its name
		volumes[name] = true
	}
	names := map[string]bool{}
	for i := range s.InitContainers {
		c.container(at(field, "initContainers", i), &s.InitContainers[i], names, volumes)
	}
	for i := range s.Containers {
		c.container(at(field, "containers", i), &s.Containers[i], names, volumes)
	}
}

func (c *checker) container(field string, o *corev1.Container, names, volumes map[string]bool) {
	if o.Name == "" {
		c.missing(sub(field, "name"), "is missing: every container wants a name")
	} else {
		c.valid(sub(field, "name"), o.Name, validation.IsDNS1123Label)
	}
	c.unique(names, sub(field, "name"), o.Name)
	if o.Image == "" {
		c.missing(sub(field, "image"), "is missing: every container wants an image")
	}
	ports := map[string]bool{}
	for i, p := range o.Ports {
		f := at(field, "ports", i)
		c.port(sub(f, "containerPort"), p.ContainerPort)
		oneOf(c, sub(f, "protocol"), p.Protocol, corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP)
		if p.HostPort != 0 {
			c.port(sub(f, "hostPort"), p.HostPort)
		}
		if p.Name != "" {
			c.valid(sub(f, "name"), p.Name, validation.IsValidPortName)
		}
		c.unique(ports, sub(f, "name"), p.Name)
	}
	for i, e := range o.Env {
		c.env(at(field, "env", i), e)
	}
	for i, m := range o.VolumeMounts {
		f := at(field, "volumeMounts", i)
		if m.MountPath == "" {
			c.missing(sub(f, "mountPath"), "is missing: write a path")
		}
		if !volumes[m.Name] {
			c.invalid(sub(f, "name"), "%q is not in the volumes of this Pod: add it there", m.Name)
		}
	}
	c.probe(sub(field, "livenessProbe"), o.LivenessProbe, true)
	c.probe(sub(field, "startupProbe"), o.StartupProbe, true)
	c.probe(sub(field, "readinessProbe"), o.ReadinessProbe, false)
}

func (c *checker) env(field string, e corev1.EnvVar) {
	if e.Name == "" {
		c.missing(sub(field, "name"), "is missing: every variable wants a name")
	} else {
		c.valid(sub(field, "name"), e.Name, validation.IsRelaxedEnvVarName)
	}
	if e.ValueFrom == nil {
		return
	}
	if e.Value != "" {
		c.invalid(field, "has value and valueFrom: keep exactly one")
	}
	v, sources := e.ValueFrom, 0
	for _, set := range []bool{v.FieldRef != nil, v.ResourceFieldRef != nil, v.ConfigMapKeyRef != nil, v.SecretKeyRef != nil, v.FileKeyRef != nil} {
		if set {
			sources++
		}
	}
	if sources != 1 {
		c.invalid(sub(field, "valueFrom"), "wants exactly one of fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef")
	}
}

// probe checks the ranges of services §8.1; single says that successThreshold
// must be 1.
func (c *checker) probe(field string, p *corev1.Probe, single bool) {
	if p == nil {
		return
	}
	handlers := []string{}
	for name, set := range map[string]bool{"exec": p.Exec != nil, "httpGet": p.HTTPGet != nil, "tcpSocket": p.TCPSocket != nil, "grpc": p.GRPC != nil} {
		if set {
			handlers = append(handlers, name)
		}
	}
	if len(handlers) != 1 {
		c.invalid(field, "has %d handlers: write exactly one of exec, httpGet, tcpSocket, grpc", len(handlers))
		return
	}
	c.atLeast(sub(field, "initialDelaySeconds"), p.InitialDelaySeconds, 0)
	c.atLeast(sub(field, "timeoutSeconds"), p.TimeoutSeconds, 1)
	c.atLeast(sub(field, "periodSeconds"), p.PeriodSeconds, 1)
	c.atLeast(sub(field, "failureThreshold"), p.FailureThreshold, 1)
	c.atLeast(sub(field, "successThreshold"), p.SuccessThreshold, 1)
	if single && p.SuccessThreshold > 1 {
		c.invalid(sub(field, "successThreshold"), "%d is not allowed: it is 1 for liveness and startup probes", p.SuccessThreshold)
	}
	if grace := p.TerminationGracePeriodSeconds; grace != nil {
		if !single {
			c.invalid(sub(field, "terminationGracePeriodSeconds"), "is not allowed in a readiness probe: remove it")
		} else if *grace < 1 {
			c.invalid(sub(field, "terminationGracePeriodSeconds"), "%d is not allowed: write 1 or more", *grace)
		}
	}
	c.probeHandler(field, p)
}

func (c *checker) probeHandler(field string, p *corev1.Probe) {
	switch {
	case p.Exec != nil:
		if len(p.Exec.Command) == 0 {
			c.missing(sub(field, "exec.command"), "is missing: write the program and its arguments as a list")
		}
	case p.HTTPGet != nil:
		c.probePort(sub(field, "httpGet.port"), p.HTTPGet.Port)
		oneOf(c, sub(field, "httpGet.scheme"), p.HTTPGet.Scheme, corev1.URISchemeHTTP, corev1.URISchemeHTTPS)
		for i, h := range p.HTTPGet.HTTPHeaders {
			c.valid(sub(at(sub(field, "httpGet"), "httpHeaders", i), "name"), h.Name, validation.IsHTTPHeaderName)
		}
		if strings.Contains(p.HTTPGet.Path, "://") {
			c.invalid(sub(field, "httpGet.path"), "%q is a URL: write only the path", p.HTTPGet.Path)
		}
	case p.TCPSocket != nil:
		c.probePort(sub(field, "tcpSocket.port"), p.TCPSocket.Port)
	case p.GRPC != nil:
		c.port(sub(field, "grpc.port"), p.GRPC.Port)
	}
}

func (c *checker) probePort(field string, port intstr.IntOrString) {
	if port == (intstr.IntOrString{}) && find(c.root, field) == find(c.root, parentOf(field)) {
		c.missing(field, "is missing: write the number or the name of a container port")
		return
	}
	c.portRef(field, port)
}
