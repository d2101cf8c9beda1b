// Package annotation is the one table of all ingress-nginx annotations: name,
// aliases, scope, parser to a typed value, default, documentation line, and
// what happens to a bad value.
//
// It turns the annotations of one Ingress into typed values plus problems. It
// knows nothing of hosts, routes or objects other than the Ingress.
package annotation
