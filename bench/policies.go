package main

import (
	"bytes"
	"fmt"
	"log"
	"net"
	"os/exec"
	"strings"

	"daemun/bench/lab"
)

// policy is a host whose Ingress has it; the rest is as on the plain path.
type policy struct {
	name        string
	annotations []string
	fields      []string // of each request
	// proof is what the head of an answer has when the policy is in force, and
	// refused the status of a request without the fields; either may be empty.
	proof, refused string
	// documents are further ones; %s is the host's name.
	documents string
	paths     string // "/" if empty
	path      string // that is requested, "/2" if empty
}

func policies() []policy {
	return []policy{
		{name: "plain"},
		{
			name: "basic auth, warm", annotations: []string{`auth-type: basic`, `auth-secret: users`},
			fields: []string{"Authorization: Basic YmVuY2g6YmVuY2g="}, refused: " 401 ", // bench:bench
		},
		{name: "CORS", annotations: []string{`enable-cors: "true"`}, fields: []string{"Origin: https://other.test"}, proof: "Access-Control-Allow-Origin"},
		{name: "allow list of 100 networks", annotations: []string{`allowlist-source-range: "` + networks() + `"`}},
		{name: "three response fields", annotations: []string{`custom-headers: default/fields`}, proof: "X-Bench-Three"},
		{name: "rate limit", annotations: []string{`limit-rps: "1000000"`}},
		{name: "cookie affinity, new clients", annotations: []string{`affinity: cookie`}, proof: "Set-Cookie"},
		{name: "external auth, not cached", annotations: []string{`auth-url: "http://%[1]s/2"`}},
		{name: "canary of a fifth", documents: canary},
		{name: "100 regular expressions, the last one", annotations: []string{`use-regex: "true"`}, paths: expressions(), path: "/last/2"},
	}
}

const canary = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: canary
  annotations:
    nginx.ingress.kubernetes.io/canary: "true"
    nginx.ingress.kubernetes.io/canary-weight: "20"
spec:
  ingressClassName: nginx
  rules:
    - host: %s
      http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: other, port: {number: 80}}}}
---`

// networks are none of the client's but the last.
func networks() string {
	var list []string
	for i := range 99 {
		list = append(list, fmt.Sprintf("10.%d.0.0/16", 2*i))
	}
	return strings.Join(append(list, "127.0.0.0/8"), ",")
}

// expressions are 99 of the same length and a shorter one, which comes last.
func expressions() string {
	var b strings.Builder
	for i := range 99 {
		fmt.Fprintf(&b, "\n          - {path: '/service-%02d/[a-z]+/(.*)', pathType: ImplementationSpecific, backend: {service: {name: bench, port: {number: 80}}}}", i)
	}
	b.WriteString("\n          - {path: '/last/[0-9]', pathType: ImplementationSpecific, backend: {service: {name: bench, port: {number: 80}}}}")
	return b.String()
}

func (p policy) host() string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(p.name)) + ".test"
}

func (p policy) cell() cell {
	return cell{name: p.name, tool: wrk, conns: many, host: p.host(), path: p.path, fields: p.fields}
}

// policiesHead: backend host, port, htpasswd.
const policiesHead = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {global-allowed-response-headers: "X-Bench-One,X-Bench-Two,X-Bench-Three"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: fields}
data: {X-Bench-One: "1", X-Bench-Two: "2", X-Bench-Three: "3"}
---
apiVersion: v1
kind: Secret
metadata: {name: users}
stringData: {auth: "bench:%[3]s"}
---` + policyService + policyOther

const policyService = `
apiVersion: v1
kind: Service
metadata: {name: bench}
spec:
  ports: [{name: http, port: 80}]
---
apiVersion: v1
kind: Endpoints
metadata: {name: bench}
subsets:
  - addresses: [{ip: %[1]s}]
    ports: [{name: http, port: %[2]s}]
---`

const policyOther = `
apiVersion: v1
kind: Service
metadata: {name: other}
spec:
  ports: [{name: http, port: 80}]
---
apiVersion: v1
kind: Endpoints
metadata: {name: other}
subsets:
  - addresses: [{ip: %[1]s}]
    ports: [{name: http, port: %[2]s}]
---`

// policyIngress: host, annotations, paths.
const policyIngress = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: %[1]s
  annotations:
    nginx.ingress.kubernetes.io/ssl-redirect: "false"%[2]s
spec:
  ingressClassName: nginx
  rules:
    - host: %[1]s
      http:
        paths:%[3]s
---`

const policyPath = `
          - {path: /, pathType: Prefix, backend: {service: {name: bench, port: {number: 80}}}}`

func (p policy) manifest(backend string) string {
	annotations := ""
	for _, a := range p.annotations {
		if strings.Contains(a, "%[1]s") {
			a = fmt.Sprintf(a, backend)
		}
		annotations += "\n    nginx.ingress.kubernetes.io/" + a
	}
	paths := p.paths
	if paths == "" {
		paths = policyPath
	}
	text := fmt.Sprintf(policyIngress, p.host(), annotations, paths)
	if p.documents != "" {
		text += fmt.Sprintf(p.documents, p.host())
	}
	return text
}

// policies compares requests with policies to those on the plain path, of one
// Daemun that has all of them.
func (l *rig) policies() (string, error) {
	var wanted []policy
	for i, p := range policies() {
		if i == 0 || l.Wants("policy "+p.name) {
			wanted = append(wanted, p)
		}
	}
	if len(wanted) == 1 {
		return "", nil
	}
	defer l.Stop()
	p, err := l.startPolicies()
	if err != nil {
		return "", err
	}
	for _, one := range wanted {
		if err := l.Await(func() error { return one.inForce(p) }); err != nil {
			return "", fmt.Errorf("policy %s is not in force: %w\n%s", one.name, err, l.Log("policies"))
		}
	}
	return policyReport(wanted, l.againstPlain(p, wanted), l.Options), l.Ctx.Err()
}

func (l *rig) startPolicies() (proxy, error) {
	if err := l.startBackend(); err != nil {
		return proxy{}, err
	}
	hash, err := exec.CommandContext(l.Ctx, "openssl", "passwd", "-apr1", "bench").Output()
	if err != nil {
		return proxy{}, fmt.Errorf("openssl passwd: %w", err)
	}
	host, port, err := net.SplitHostPort(l.backend)
	if err != nil {
		return proxy{}, err
	}
	text := fmt.Sprintf(policiesHead, host, port, strings.TrimSpace(string(hash)))
	for _, one := range policies() {
		text += one.manifest(l.backend)
	}
	if err := l.Write("policies.yaml", text); err != nil {
		return proxy{}, err
	}
	free, err := lab.FreeAddresses(2)
	if err != nil {
		return proxy{}, err
	}
	p := proxy{name: ours, plain: free[0], tls: free[1]}
	err = l.daemunUp(&p, "policies", l.File("policies.yaml"))
	return p, err
}

// inForce makes sure that what is measured is the policy.
func (p policy) inForce(at proxy) error {
	try := func(want string, fields ...string) error {
		c, err := net.Dial("tcp", at.plain)
		if err != nil {
			return err
		}
		answer, err := ask(c, p.cell().target(), append([]string{"Host: " + p.host()}, fields...)...)
		if err == nil && !bytes.Contains(answer, []byte(want)) {
			err = fmt.Errorf("no %q in the answer %q", want, answer)
		}
		return err
	}
	if p.refused != "" {
		if err := try(p.refused); err != nil {
			return err
		}
	}
	if err := try(" 200 ", p.fields...); err != nil {
		return err
	}
	return try(p.proof, p.fields...)
}

// measured is what a policy and the plain path beside it gave.
type measured struct {
	sample
	rate, cpu float64 // of the policy against the plain path
	failed    string
}

// againstPlain measures each policy and the plain path one right after the other in
// each round, and takes the ratio of the two: what the machine does otherwise
// changes between rounds by more than a policy costs.
func (l *rig) againstPlain(p proxy, wanted []policy) map[string]measured {
	results := map[string]measured{}
	plain := policies()[0]
	for _, one := range wanted {
		pairs, err := l.pairs(p, plain, one)
		if err != nil {
			l.fail("policy "+one.name, ours, err.Error())
			results[one.name] = measured{failed: oneLine(err)}
			continue
		}
		var samples []sample
		for _, pair := range pairs {
			samples = append(samples, pair[1])
		}
		results[one.name] = measured{
			sample: median(samples),
			rate:   lab.Median(pairs, func(pair [2]sample) float64 { return pair[1].rate / pair[0].rate }),
			cpu:    lab.Median(pairs, func(pair [2]sample) float64 { return pair[0].cpu / pair[1].cpu }),
		}
		log.Printf("policies: %s done", one.name)
	}
	return results
}

// pairs returns a sample of the plain path and one of the policy for each
// round. The one that came first is second in the next round.
func (l *rig) pairs(p proxy, plain, one policy) ([][2]sample, error) {
	var list [][2]sample
	for round := range l.Rounds + 1 {
		var pair [2]sample
		for turn := range pair {
			which := (turn + round) % 2
			s, err := l.sound(p, [2]policy{plain, one}[which].cell(), l.Seconds())
			if err != nil {
				return nil, err
			}
			pair[which] = s
		}
		if round > 0 { // the first warms up
			list = append(list, pair)
		}
	}
	return list, l.Ctx.Err()
}

func policyReport(wanted []policy, results map[string]measured, o *lab.Options) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## Policies\n\nDaemun alone: small requests over plain HTTP/1.1 on 64 connections to hosts with one policy each. Median of %d measurements of %ds each. "+
		"*vs plain* is the median of the ratios to a host without a policy, which is measured right before or after: requests/s divided by its, and its CPU divided by theirs. "+
		"The row of the plain path shows what such a ratio is worth. External authentication asks the backend before each request.\n\n", o.Rounds, o.Seconds())
	b.WriteString("| policy | requests/s | CPU µs | busy | p50 | p99 | p99.9 | vs plain, requests/s | CPU |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, p := range wanted {
		m := results[p.name]
		if m.failed != "" {
			fmt.Fprintf(&b, "| %s | **failed** | %s | | | | | | |\n", p.name, m.failed)
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %.0f %% | %s | %s | %s | %.2f× | %.2f× |\n",
			p.name, figureOf(m.sample.rate), figureOf(m.sample.cpu), m.busy(), round(m.P50), round(m.P99), round(m.P999), m.rate, m.cpu)
	}
	return b.String()
}
