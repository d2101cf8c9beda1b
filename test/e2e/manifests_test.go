package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// echoApp is a Deployment of the image daemun/echo with its Service: port 8080
// leads to the container's 3000.
type echoApp struct {
	name     string
	replicas int
	// env is added to the container's.
	env map[string]string
	// container holds further lines of the container, such as probes; empty is
	// a patient readiness probe, so that no request comes before the program
	// listens.
	container string
	// service holds further lines of the Service's spec.
	service string
	// port is the Service's port; 0 is 8080.
	port int
}

// probe is a readiness probe on a path, every second.
func probe(kind, path string) string {
	return fmt.Sprintf("%s:\n  httpGet:\n    path: %s\n    port: http\n  periodSeconds: 1\n  failureThreshold: 1\n", kind, path)
}

func (a echoApp) String() string { return a.deployment() + "---\n" + a.svc() }

func (a echoApp) deployment() string {
	var env strings.Builder
	for _, name := range slices.Sorted(maps.Keys(a.env)) {
		fmt.Fprintf(&env, "            - name: %s\n              value: %q\n", name, a.env[name])
	}
	container := a.container
	if container == "" {
		container = strings.ReplaceAll(probe("readinessProbe", "/health"), "failureThreshold: 1", "timeoutSeconds: 10")
	}
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata:
  name: %[1]s
spec:
  replicas: %[2]d
  selector:
    matchLabels:
      app: %[1]s
  template:
    metadata:
      labels:
        app: %[1]s
    spec:
      containers:
        - name: web
          image: daemun/echo
          ports:
            - name: http
              containerPort: 3000
          env:
            - name: POD_NAME
              valueFrom:
                fieldRef:
                  fieldPath: metadata.name
            - name: POD_IP
              valueFrom:
                fieldRef:
                  fieldPath: status.podIP
            - name: SERVICE_NAME
              value: %[1]s
%[3]s%[4]s`, a.name, a.replicas, env.String(), indent(10, container))
}

func (a echoApp) svc() string {
	port := a.port
	if port == 0 {
		port = 8080
	}
	return fmt.Sprintf(`apiVersion: v1
kind: Service
metadata:
  name: %[1]s
spec:
  selector:
    app: %[1]s
  ports:
    - name: http
      port: %[2]d
      targetPort: http
%[3]s`, a.name, port, indent(2, a.service))
}

func indent(n int, text string) string {
	if text == "" {
		return ""
	}
	blanks := strings.Repeat(" ", n)
	return blanks + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+blanks) + "\n"
}

// rule is one path of an Ingress.
type rule struct{ path, service string }

// ingress is an Ingress with one host.
type ingress struct {
	name, host  string
	annotations map[string]string
	tls         string // the Secret
	rules       []rule
	pathType    string // "" is Prefix
}

func (i ingress) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: %s\n", i.name)
	if len(i.annotations) > 0 {
		b.WriteString("  annotations:\n")
	}
	for _, name := range slices.Sorted(maps.Keys(i.annotations)) {
		fmt.Fprintf(&b, "    nginx.ingress.kubernetes.io/%s: %q\n", name, i.annotations[name])
	}
	b.WriteString("spec:\n  ingressClassName: nginx\n")
	if i.tls != "" {
		fmt.Fprintf(&b, "  tls:\n    - hosts: [%q]\n      secretName: %s\n", i.host, i.tls)
	}
	fmt.Fprintf(&b, "  rules:\n    - host: %q\n      http:\n        paths:\n", i.host)
	for _, r := range i.rules {
		fmt.Fprintf(&b, `          - path: %s
            pathType: %s
            backend:
              service:
                name: %s
                port:
                  number: 8080
`, r.path, i.kind(), r.service)
	}
	return b.String()
}

func (i ingress) kind() string {
	if i.pathType == "" {
		return "Prefix"
	}
	return i.pathType
}

// oneIngress leads everything of a host to a Service.
func oneIngress(name, host, service string) string {
	return ingress{name: name, host: host, rules: []rule{{"/", service}}}.String()
}
