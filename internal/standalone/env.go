package standalone

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"daemun/internal/store"
)

// passedThrough are the only variables of Daemun's own environment that
// containers see. The rest of it is the user's, not the Pod's.
var passedThrough = [...]string{"PATH", "HOME", "LANG", "TZ", "TMPDIR"}

// environment is the variables of a container in order of definition.
type environment struct {
	names  []string
	values map[string]string
}

func (e *environment) set(name, value string) {
	if e.values == nil {
		e.values = map[string]string{}
	}
	if _, ok := e.values[name]; !ok {
		e.names = append(e.names, name)
	}
	e.values[name] = value
}

func (e *environment) get(name string) (string, bool) { v, ok := e.values[name]; return v, ok }

func (e *environment) list() []string {
	out := make([]string, 0, len(e.names))
	for _, n := range e.names {
		out = append(out, n+"="+e.values[n])
	}
	return out
}

// missing says which reference of a container or volume does not resolve.
type missing struct{ field, text string }

func (m *missing) Error() string { return m.text }

// containerEnv builds the environment of a container as of the view: what
// every container has, Service variables (services §9), envFrom, env. Later
// ones win. POD_IP is always there, unlike in a cluster, because programs must
// bind it; a manifest's own POD_IP wins.
func containerEnv(pod *corev1.Pod, c *corev1.Container, v *store.View) (*environment, *missing) {
	env := &environment{}
	for _, name := range passedThrough {
		if value, ok := os.LookupEnv(name); ok {
			env.set(name, value)
		}
	}
	env.set("HOSTNAME", podHostname(pod))
	env.set("POD_IP", pod.Status.PodIP)
	serviceVariables(env, pod, v)
	for i := range c.EnvFrom {
		if m := envFrom(env, pod.Namespace, &c.EnvFrom[i], v); m != nil {
			m.field = fmt.Sprintf("envFrom[%d]", i)
			return nil, m
		}
	}
	for i := range c.Env {
		e := &c.Env[i]
		if e.ValueFrom == nil {
			env.set(e.Name, expand(e.Value, env.get))
			continue
		}
		value, ok, m := envValue(pod, c, e.ValueFrom, v)
		if m != nil {
			m.field = fmt.Sprintf("env[%d]", i)
			return nil, m
		}
		if ok {
			env.set(e.Name, value)
		}
	}
	return env, nil
}

func envFrom(env *environment, ns string, src *corev1.EnvFromSource, v *store.View) *missing {
	var data map[string]string
	switch {
	case src.ConfigMapRef != nil:
		cm := v.ConfigMaps[store.Name{Namespace: ns, Name: src.ConfigMapRef.Name}]
		if cm == nil {
			return missingObject("ConfigMap", ns, src.ConfigMapRef.Name, src.ConfigMapRef.Optional)
		}
		data = cm.Data
	case src.SecretRef != nil:
		secret := v.Secrets[store.Name{Namespace: ns, Name: src.SecretRef.Name}]
		if secret == nil {
			return missingObject("Secret", ns, src.SecretRef.Name, src.SecretRef.Optional)
		}
		data = secretText(secret)
	}
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if name := src.Prefix + key; validVariable(name) {
			env.set(name, data[key])
		}
	}
	return nil
}

// validVariable: a name with '=' or NUL would become another variable.
func validVariable(name string) bool { return name != "" && !strings.ContainsAny(name, "=\x00") }

func secretText(s *corev1.Secret) map[string]string {
	out := make(map[string]string, len(s.Data)+len(s.StringData))
	for k, v := range s.Data {
		out[k] = string(v)
	}
	maps.Copy(out, s.StringData)
	return out
}

func missingObject(kind, ns, name string, optional *bool) *missing {
	if optional != nil && *optional {
		return nil
	}
	return &missing{text: fmt.Sprintf("%s %s/%s does not exist; add it to the manifests or mark the reference optional", kind, ns, name)}
}

func missingKey(kind, ns, name, key string, optional *bool) *missing {
	if optional != nil && *optional {
		return nil
	}
	return &missing{text: fmt.Sprintf("%s %s/%s has no key %q; add the key or mark the reference optional", kind, ns, name, key)}
}

// envValue resolves a valueFrom; ok is false for an optional reference that
// leads nowhere.
func envValue(pod *corev1.Pod, c *corev1.Container, src *corev1.EnvVarSource, v *store.View) (value string, ok bool, m *missing) {
	switch {
	case src.ConfigMapKeyRef != nil:
		ref := src.ConfigMapKeyRef
		cm := v.ConfigMaps[store.Name{Namespace: pod.Namespace, Name: ref.Name}]
		if cm == nil {
			return "", false, missingObject("ConfigMap", pod.Namespace, ref.Name, ref.Optional)
		}
		if value, ok = cm.Data[ref.Key]; !ok {
			return "", false, missingKey("ConfigMap", pod.Namespace, ref.Name, ref.Key, ref.Optional)
		}
		return value, true, nil
	case src.SecretKeyRef != nil:
		ref := src.SecretKeyRef
		secret := v.Secrets[store.Name{Namespace: pod.Namespace, Name: ref.Name}]
		if secret == nil {
			return "", false, missingObject("Secret", pod.Namespace, ref.Name, ref.Optional)
		}
		if value, ok = secretText(secret)[ref.Key]; !ok {
			return "", false, missingKey("Secret", pod.Namespace, ref.Name, ref.Key, ref.Optional)
		}
		return value, true, nil
	case src.FieldRef != nil:
		if value, ok = podField(pod, src.FieldRef.FieldPath); !ok {
			return "", false, &missing{text: fmt.Sprintf("field %q is not known; use metadata.name, metadata.namespace, metadata.uid, "+
				"metadata.labels['KEY'], metadata.annotations['KEY'], spec.nodeName, spec.serviceAccountName, status.hostIP, status.podIP", src.FieldRef.FieldPath)}
		}
		return value, true, nil
	case src.ResourceFieldRef != nil:
		if value, ok = resourceField(pod, c, src.ResourceFieldRef); !ok {
			return "", false, &missing{text: fmt.Sprintf("resource %q is not known; use limits.cpu, limits.memory, requests.cpu or requests.memory", src.ResourceFieldRef.Resource)}
		}
		return value, true, nil
	}
	return "", false, nil
}

// podField reads a downward API field; ok is false for an unknown one.
func podField(pod *corev1.Pod, path string) (value string, ok bool) {
	switch path {
	case "metadata.name":
		return pod.Name, true
	case "metadata.namespace":
		return pod.Namespace, true
	case "metadata.uid":
		return string(pod.UID), true
	case "metadata.labels":
		return formatMap(pod.Labels), true
	case "metadata.annotations":
		return formatMap(pod.Annotations), true
	case "spec.nodeName":
		return pod.Spec.NodeName, true
	case "spec.serviceAccountName":
		return cmp.Or(pod.Spec.ServiceAccountName, "default"), true
	case "status.hostIP", "status.hostIPs":
		return pod.Status.HostIP, true
	case "status.podIP", "status.podIPs":
		return pod.Status.PodIP, true
	}
	if key, ok := subscript(path, "metadata.labels"); ok {
		return pod.Labels[key], true
	}
	if key, ok := subscript(path, "metadata.annotations"); ok {
		return pod.Annotations[key], true
	}
	return "", false
}

// subscript takes KEY out of field['KEY'].
func subscript(path, field string) (string, bool) {
	rest, ok := strings.CutPrefix(path, field+"['")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, "']")
}

// formatMap is the downward API's form: key="value" lines, sorted.
func formatMap(m map[string]string) string {
	var lines []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		lines = append(lines, k+"="+strconv.Quote(m[k]))
	}
	return strings.Join(lines, "\n")
}

// resourceField is a limit or request of a container. A limit that is not set
// is what the machine has, rounded up to the divisor.
func resourceField(pod *corev1.Pod, c *corev1.Container, ref *corev1.ResourceFieldSelector) (string, bool) {
	if ref.ContainerName != "" {
		for i := range pod.Spec.Containers {
			if pod.Spec.Containers[i].Name == ref.ContainerName {
				c = &pod.Spec.Containers[i]
			}
		}
	}
	kind, name, _ := strings.Cut(ref.Resource, ".")
	list := corev1.ResourceList{}
	machine := resource.Quantity{}
	switch kind {
	case "limits":
		if c != nil {
			list = c.Resources.Limits
		}
		machine = machineHas(corev1.ResourceName(name))
	case "requests":
		if c != nil {
			list = c.Resources.Requests
		}
	default:
		return "", false
	}
	if name != "cpu" && name != "memory" && name != "ephemeral-storage" {
		return "", false
	}
	q, set := list[corev1.ResourceName(name)]
	if !set {
		q = machine
	}
	divisor := ref.Divisor
	if divisor.IsZero() {
		divisor = resource.MustParse("1")
	}
	if name == "cpu" {
		return fmt.Sprint(ceilDivide(q.MilliValue(), divisor.MilliValue())), true
	}
	return fmt.Sprint(ceilDivide(q.Value(), divisor.Value())), true
}

func ceilDivide(n, by int64) int64 {
	if by <= 0 {
		by = 1
	}
	return (n + by - 1) / by
}

func machineHas(name corev1.ResourceName) resource.Quantity {
	switch name {
	case corev1.ResourceCPU:
		return *resource.NewQuantity(int64(runtime.NumCPU()), resource.DecimalSI)
	case corev1.ResourceMemory:
		return *resource.NewQuantity(machineMemory(), resource.BinarySI)
	}
	return resource.Quantity{}
}

// serviceVariables are the variables of services §9, frozen at the start of
// the container. The kubernetes Service of namespace default is there for all,
// unless the Pod's own namespace has one of that name.
func serviceVariables(env *environment, pod *corev1.Pod, v *store.View) {
	links := pod.Spec.EnableServiceLinks == nil || *pod.Spec.EnableServiceLinks
	found := map[string]*corev1.Service{}
	if s := v.Services[kubernetesService]; s != nil && hasClusterIP(s) {
		found[s.Name] = s
	}
	for name, s := range v.Services {
		if links && name.Namespace == pod.Namespace && hasClusterIP(s) {
			found[name.Name] = s
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		addService(env, found[name])
	}
}

func addService(env *environment, s *corev1.Service) {
	if len(s.Spec.Ports) == 0 {
		return
	}
	prefix := variableName(s.Name)
	ip := s.Spec.ClusterIP
	env.set(prefix+"_SERVICE_HOST", ip)
	env.set(prefix+"_SERVICE_PORT", fmt.Sprint(s.Spec.Ports[0].Port))
	for i, p := range s.Spec.Ports {
		if p.Name != "" {
			env.set(prefix+"_SERVICE_PORT_"+variableName(p.Name), fmt.Sprint(p.Port))
		}
		protocol := string(cmp.Or(p.Protocol, corev1.ProtocolTCP))
		host := ip
		if strings.Contains(ip, ":") {
			host = "[" + ip + "]"
		}
		url := fmt.Sprintf("%s://%s:%d", strings.ToLower(protocol), host, p.Port)
		if i == 0 {
			env.set(prefix+"_PORT", url)
		}
		one := fmt.Sprintf("%s_PORT_%d_%s", prefix, p.Port, protocol)
		env.set(one, url)
		env.set(one+"_PROTO", strings.ToLower(protocol))
		env.set(one+"_PORT", fmt.Sprint(p.Port))
		env.set(one+"_ADDR", ip)
	}
}

func variableName(s string) string { return strings.ToUpper(strings.ReplaceAll(s, "-", "_")) }
