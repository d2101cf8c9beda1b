package dashboard

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"daemun/internal/store"
)

// servicesPage is the list of Services.
type servicesPage struct {
	Query  query
	Rows   []serviceRow
	Paging paging
	Total  int
}

// serviceRow is one Service.
type serviceRow struct {
	Namespace, Name, Type string
	Addresses             []string
	Ports                 []string
	Ready, All            int
	// Leading is how many routes lead here.
	Leading int
	State   state
	Why     string
}

// Link is where the Service is shown.
func (r serviceRow) Link() string { return "/services/" + r.Namespace + "/" + r.Name }

// servicePage is everything about one Service.
type servicePage struct {
	serviceRow
	Selector  string
	Affinity  string
	Policies  []string
	Endpoints []serviceEndpoint
	Routes    []*row
	Problems  []problemRow
}

// serviceEndpoint is one address and port behind a Service.
type serviceEndpoint struct {
	Address, Port, Node string
	Pod                 string
	PodName             store.Name
	State               state
	Word                string
}

func (d *Dashboard) services(r *http.Request) (*page, error) {
	v, view := &servicesPage{Query: queryOf(r)}, d.View()
	v.Total = len(view.Services)
	var found []*corev1.Service
	for _, name := range slices.SortedFunc(maps.Keys(view.Services), compareNames) {
		svc := view.Services[name]
		if v.Query.finds(name.Namespace+"/"+name.Name, string(svc.Spec.Type), strings.Join(addressesOf(svc), " ")) {
			found = append(found, svc)
		}
	}
	found, v.Paging = paginate(r, found)
	leading := map[store.Name]int{}
	for _, at := range d.survey().rows {
		leading[at.Service()]++
	}
	for _, svc := range found {
		v.Rows = append(v.Rows, newServiceRow(view, svc, leading[store.NameOf(svc)]))
	}
	return &page{template: "services", Title: "Services", section: "Services", Body: v}, nil
}

func compareNames(a, b store.Name) int {
	return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}

func newServiceRow(view *store.View, svc *corev1.Service, routes int) serviceRow {
	r := serviceRow{Namespace: svc.Namespace, Name: svc.Name, Type: cmp.Or(string(svc.Spec.Type), "ClusterIP"), Addresses: addressesOf(svc), Leading: routes}
	if svc.Spec.ClusterIP == corev1.ClusterIPNone {
		r.Type = "headless"
	}
	for _, p := range svc.Spec.Ports {
		text := fmt.Sprintf("%d/%s", p.Port, cmp.Or(string(p.Protocol), "TCP"))
		if p.NodePort != 0 {
			text += fmt.Sprintf(" on nodes %d", p.NodePort)
		}
		r.Ports = append(r.Ports, text)
	}
	ready, all := map[string]bool{}, map[string]bool{}
	for _, slice := range view.SlicesOf(store.NameOf(svc)) {
		for _, e := range slice.Endpoints {
			for _, a := range e.Addresses {
				all[a] = true
				if e.Conditions.Ready == nil || *e.Conditions.Ready {
					ready[a] = true
				}
			}
		}
	}
	r.Ready, r.All = len(ready), len(all)
	switch {
	case svc.Spec.Type == corev1.ServiceTypeExternalName:
		r.State = idle
	case r.All == 0 && len(svc.Spec.Selector) == 0:
		r.State, r.Why = idle, "no selector and no endpoints"
	case r.Ready == 0:
		r.State, r.Why = fail, "no ready endpoint"
	case r.Ready < r.All:
		r.State, r.Why = warn, fmt.Sprintf("%d not ready", r.All-r.Ready)
	default:
		r.State = ok
	}
	return r
}

func addressesOf(svc *corev1.Service) []string {
	if svc.Spec.Type == corev1.ServiceTypeExternalName {
		return []string{svc.Spec.ExternalName}
	}
	var list []string
	for _, ip := range svc.Spec.ClusterIPs {
		if ip != corev1.ClusterIPNone {
			list = append(list, ip)
		}
	}
	if len(list) == 0 && svc.Spec.ClusterIP != "" && svc.Spec.ClusterIP != corev1.ClusterIPNone {
		list = append(list, svc.Spec.ClusterIP)
	}
	list = append(list, svc.Spec.ExternalIPs...)
	for _, i := range svc.Status.LoadBalancer.Ingress {
		list = append(list, cmp.Or(i.IP, i.Hostname))
	}
	return list
}

func (d *Dashboard) service(r *http.Request) (*page, error) {
	view, name := d.View(), store.Name{Namespace: r.PathValue("ns"), Name: r.PathValue("name")}
	svc := view.Services[name]
	if svc == nil {
		return nil, &failure{http.StatusNotFound, fmt.Sprintf("There is no Service %s/%s", name.Namespace, name.Name), "It may have gone since you followed the link: look for it among the Services."}
	}
	v := &servicePage{}
	for _, at := range d.survey().rows {
		if at.Service() == name {
			v.Routes = append(v.Routes, at)
		}
	}
	v.serviceRow = newServiceRow(view, svc, len(v.Routes))
	v.Routes = v.Routes[:min(len(v.Routes), perPage)]
	v.Selector = selectorOf(svc)
	if a := svc.Spec.SessionAffinity; a == corev1.ServiceAffinityClientIP {
		v.Affinity = "a client keeps its endpoint"
	}
	for _, p := range []struct{ name, value string }{
		{"externalTrafficPolicy", string(svc.Spec.ExternalTrafficPolicy)}, {"internalTrafficPolicy", internalPolicy(svc)},
	} {
		if p.value != "" {
			v.Policies = append(v.Policies, p.name+": "+p.value)
		}
	}
	for _, slice := range view.SlicesOf(name) {
		v.Endpoints = append(v.Endpoints, d.serviceEndpoints(slice)...)
	}
	slices.SortStableFunc(v.Endpoints, func(a, b serviceEndpoint) int { return cmp.Compare(b.State, a.State) })
	for _, p := range d.Problems() {
		if p.Object.Kind == "Service" && p.Object.Namespace == name.Namespace && p.Object.Name == name.Name {
			v.Problems = append(v.Problems, d.problemRow(p))
		}
	}
	return &page{template: "service", Title: name.Namespace + "/" + name.Name, section: "Services", Body: v}, nil
}

func internalPolicy(svc *corev1.Service) string {
	if p := svc.Spec.InternalTrafficPolicy; p != nil {
		return string(*p)
	}
	return ""
}

func selectorOf(svc *corev1.Service) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(svc.Spec.Selector)) {
		parts = append(parts, k+"="+svc.Spec.Selector[k])
	}
	return strings.Join(parts, ", ")
}

// maxShown bounds the endpoints of one slice on a page.
const maxShown = 200

func (d *Dashboard) serviceEndpoints(slice *discoveryv1.EndpointSlice) []serviceEndpoint {
	var ports []string
	for _, p := range slice.Ports {
		if p.Port != nil {
			ports = append(ports, fmt.Sprint(*p.Port))
		}
	}
	var list []serviceEndpoint
	for _, e := range slice.Endpoints[:min(len(slice.Endpoints), maxShown)] {
		row := serviceEndpoint{Port: strings.Join(ports, ", "), State: ok, Word: "ready"}
		if len(e.Addresses) > 0 {
			row.Address = e.Addresses[0]
		}
		if e.NodeName != nil {
			row.Node = *e.NodeName
		}
		switch c := e.Conditions; {
		case c.Terminating != nil && *c.Terminating:
			row.State, row.Word = warn, "being stopped"
		case c.Ready != nil && !*c.Ready:
			row.State, row.Word = fail, "not ready"
		}
		if e.TargetRef != nil && e.TargetRef.Kind == "Pod" {
			row.Pod = e.TargetRef.Name
			row.PodName = d.podOf(slice.Namespace + "/" + e.TargetRef.Name)
			if pod := d.View().Pods[row.PodName]; pod != nil && row.State == fail {
				_, why := podState(pod)
				row.Word = "not ready: " + why
			}
		}
		list = append(list, row)
	}
	return list
}
