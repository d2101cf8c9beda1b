package admin

import (
	"fmt"

	discoveryv1 "k8s.io/api/discovery/v1"

	"daemun/internal/store"
)

// Endpoints is one row of `get endpoints`: what a Service has.
type Endpoints struct {
	Namespace string     `json:"namespace"`
	Name      string     `json:"name"`
	Addresses []Endpoint `json:"addresses"`
}

// Endpoint is one address of a Service port.
type Endpoint struct {
	Address     string `json:"address"` // "ip:port"
	PortName    string `json:"portName,omitempty"`
	Protocol    string `json:"protocol"`
	Ready       bool   `json:"ready"`
	Serving     bool   `json:"serving"`
	Terminating bool   `json:"terminating"`
	Pod         string `json:"pod,omitempty"`
	Node        string `json:"node,omitempty"`
}

func endpoints(v *store.View) any {
	list := make([]Endpoints, 0, len(v.Services))
	for _, svc := range sorted(v.Services) {
		row := Endpoints{Namespace: svc.Namespace, Name: svc.Name, Addresses: []Endpoint{}}
		for _, slice := range v.SlicesOf(store.NameOf(svc)) {
			row.Addresses = append(row.Addresses, addresses(slice)...)
		}
		list = append(list, row)
	}
	return list
}

func addresses(slice *discoveryv1.EndpointSlice) []Endpoint {
	var list []Endpoint
	for _, e := range slice.Endpoints {
		if len(e.Addresses) == 0 {
			continue
		}
		for _, p := range slice.Ports {
			row := Endpoint{
				Address: e.Addresses[0], PortName: deref(p.Name, ""), Protocol: string(deref(p.Protocol, "TCP")),
				Ready: deref(e.Conditions.Ready, true), Serving: deref(e.Conditions.Serving, true),
				Terminating: deref(e.Conditions.Terminating, false), Node: deref(e.NodeName, ""),
			}
			if p.Port != nil {
				row.Address = fmt.Sprintf("%s:%d", e.Addresses[0], *p.Port)
			}
			if e.TargetRef != nil && e.TargetRef.Kind == "Pod" {
				row.Pod = e.TargetRef.Name
			}
			list = append(list, row)
		}
	}
	return list
}

func deref[T any](p *T, absent T) T {
	if p == nil {
		return absent
	}
	return *p
}
