package standalone

import (
	"maps"
	"slices"

	"daemun/internal/ir"
	"daemun/internal/store"
)

// Codes of the problems this package reports (DMN05xx: workloads).
const (
	// CodeImage: an image has no executable on this machine.
	CodeImage = "DMN0501"
	// CodeMissingRef: a ConfigMap, a Secret or a key of one does not exist.
	CodeMissingRef = "DMN0502"
	// CodeCrashLoop: a container ends again and again.
	CodeCrashLoop = "DMN0503"
	// CodeAddress: a Service asks for an address it cannot have.
	CodeAddress = "DMN0504"
	// CodeVolume: a volume is of a kind that one machine cannot give, or cannot be made.
	CodeVolume = "DMN0505"
	// CodeProbe: a probe cannot be made (unknown port name, no handler).
	CodeProbe = "DMN0506"
	// CodeSchedule: no node takes the Pod.
	CodeSchedule = "DMN0507"
	// CodeMounts: volumes cannot be shown at their mount paths here.
	CodeMounts = "DMN0508"
	// CodeWorkload: a workload asks for something impossible.
	CodeWorkload = "DMN0509"
	// CodeJobFailed: a Job has used up its retries.
	CodeJobFailed = "DMN0510"
	// CodeStart: a container could not be started or one of its hooks failed.
	CodeStart = "DMN0511"
	// CodeIgnored: a field has no effect on one machine.
	CodeIgnored = "DMN0512"
	// CodeForming: a part of a Pod's dnsConfig, hostAliases or host name is not used.
	CodeForming = "DMN0513"
	// CodeNames: names of Services are not all found by all programs here.
	CodeNames = "DMN0514"
	// CodeNodePort: a Service asks for a node port it cannot have.
	CodeNodePort = "DMN0520"
	// CodeBalancer: a Service of type LoadBalancer gets no address.
	CodeBalancer = "DMN0521"
)

func refOf(k store.Key) ir.Ref { return ir.Ref{Kind: k.Kind, Namespace: k.Namespace, Name: k.Name} }

// problemSet drops doubles: the replicas of one workload have the same
// problems.
type problemSet map[ir.Problem]bool

func (s problemSet) add(problems ...ir.Problem) {
	for _, p := range problems {
		s[p] = true
	}
}

func (s problemSet) sorted() []ir.Problem {
	return slices.SortedFunc(maps.Keys(s), ir.Problem.Compare)
}
