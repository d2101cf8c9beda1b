// Package cluster holds the tests against a real Kubernetes: etcd, the API
// server and its controllers run as programs, nodes are played or real, Daemun
// runs as a program built from this tree. See README.md.
package cluster
