package translate

import (
	"slices"
	"strings"
	"testing"

	"daemun/internal/ir"
	"daemun/internal/store"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// zonesOf are the zones that the hints for a backend name, sorted.
func zonesOf(v *store.View, b *ir.Backend) (zones []string) {
	for _, slice := range v.SlicesOf(store.Name{Namespace: b.Namespace, Name: b.Service}) {
		for _, e := range slice.Endpoints {
			if e.Hints == nil {
				continue
			}
			for _, z := range e.Hints.ForZones {
				zones = append(zones, z.Name)
			}
		}
	}
	slices.Sort(zones)
	return slices.Compact(zones)
}

// TestHints: an endpoint is written as its last byte, "!" for one that is not
// ready, and "=" with the zones of its hint; "|" begins another slice.
func TestHints(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, endpoints, zone, want string }{
		{"those for the zone", "1=a 2=b 3=a,b", "a", "1 3"},
		{"without a zone", "1=a 2=b", "", "1 2"},
		{"none for the zone", "1=a 2=b", "c", "1 2"},
		{"one has no hint", "1=a 2", "a", "1 2"},
		{"no hints", "1 2", "a", "1 2"},
		{"an empty hint is none", "1=a 2=", "a", "1 2"},
		{"unready ones need no hint", "1=a 2=b !3", "a", "1"},
		{"unready ones are not enough", "!1=a 2=b", "a", "2"},
		{"another slice", "1=a|2=b 3=a", "a", "1 3"},
		{"another slice has no hint", "1=a|2", "a", "1 2"},
		{"no endpoints", "", "a", ""},
	} {
		objects := []store.Object{&corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
		}, sliceOf("other", "metrics", "9")} // another port has no say
		for i, text := range strings.Split(tt.endpoints, "|") {
			objects = append(objects, sliceOf("web-"+string(rune('a'+i)), "http", text))
		}
		b := backendOf(store.Name{Namespace: "shop", Name: "web"}, "80")
		var got []string
		for _, e := range EndpointsFor(viewOf(objects), &b, tt.zone).Endpoints {
			got = append(got, strings.TrimPrefix(e.Addr.Addr().String(), "10.0.0."))
		}
		if got := strings.Join(got, " "); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func sliceOf(name, port, endpoints string) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: &port, Port: new(int32(8080))}},
	}
	for text := range strings.FieldsSeq(endpoints) {
		text, unready := strings.CutPrefix(text, "!")
		number, zones, hint := strings.Cut(text, "=")
		e := discoveryv1.Endpoint{Addresses: []string{"10.0.0." + number}, Conditions: discoveryv1.EndpointConditions{Ready: new(!unready)}}
		if hint {
			e.Hints = &discoveryv1.EndpointHints{}
			for zone := range strings.FieldsFuncSeq(zones, func(r rune) bool { return r == ',' }) {
				e.Hints.ForZones = append(e.Hints.ForZones, discoveryv1.ForZone{Name: zone})
			}
		}
		s.Endpoints = append(s.Endpoints, e)
	}
	return s
}
