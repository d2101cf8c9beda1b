package daemon

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/kubetest"
	"daemun/internal/store"
)

// zoned is an API server with a Pod of Daemun in zone a and a Service with an
// endpoint there, 192.0.2.1, and one in zone b, 192.0.2.2.
func zoned(t *testing.T) (*kubetest.Server, *discoveryv1.EndpointSlice) {
	t.Helper()
	api := kubetest.New(t)
	web := redirecting("web", "web.test", "")
	delete(web.Annotations, "nginx.ingress.kubernetes.io/permanent-redirect")
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "shop", Name: "web-1", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Port: new(int32(8080))}},
		Endpoints: []discoveryv1.Endpoint{
			{Addresses: []string{"192.0.2.1"}, Hints: &discoveryv1.EndpointHints{ForZones: []discoveryv1.ForZone{{Name: "a"}}}},
			{Addresses: []string{"192.0.2.2"}, Hints: &discoveryv1.EndpointHints{ForZones: []discoveryv1.ForZone{{Name: "b"}}}},
		},
	}
	api.Put(t, web, slice,
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}},
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "infra", Name: "daemun-1"}, Spec: corev1.PodSpec{NodeName: "n1"}},
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", Labels: map[string]string{corev1.LabelTopologyZone: "a"}}})
	return api, slice
}

// used are the endpoints that the data side chooses from.
func (i *instance) used() string {
	_, body := i.admin("/api/v1/explain?url=http://web.test/")
	var answer struct{ Endpoints []struct{ Address string } }
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return body
	}
	var list []string
	for _, e := range answer.Endpoints {
		list = append(list, e.Address)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

const bothZones = "192.0.2.1:8080 192.0.2.2:8080"

// TestEndpointsOfTheOwnZone are used from the first request on, and hints that
// change are followed.
func TestEndpointsOfTheOwnZone(t *testing.T) {
	t.Parallel()
	api, slice := zoned(t)
	i := serve(t, api, func(c *ControllerConfig) {
		c.Zone.Hints, c.Self = true, store.Name{Namespace: "infra", Name: "daemun-1"}
	})
	if got := i.used(); got != "192.0.2.1:8080" {
		t.Errorf("at once: %s", got)
	}
	for _, step := range []struct{ zones, want string }{{"b b", bothZones}, {"b a", "192.0.2.2:8080"}, {"a -", bothZones}} {
		for n, zone := range strings.Fields(step.zones) {
			slice.Endpoints[n].Hints = nil
			if zone != "-" {
				slice.Endpoints[n].Hints = &discoveryv1.EndpointHints{ForZones: []discoveryv1.ForZone{{Name: zone}}}
			}
		}
		api.Put(t, slice)
		await(t, "use of "+step.want, func() bool { return i.used() == step.want })
	}
}

// TestWithoutAKnownZone all endpoints are used, as without the flag; one
// warning says why.
func TestWithoutAKnownZone(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change   func(*ControllerConfig)
		warnings int
	}{
		"no flag":   {func(c *ControllerConfig) { c.Zone.Node = "n1" }, 0},
		"no Pod":    {func(c *ControllerConfig) { c.Zone.Hints = true }, 1},
		"forbidden": {func(c *ControllerConfig) { c.Zone.Hints, c.Zone.Node = true, "n1" }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, _ := zoned(t)
			if name == "forbidden" {
				api.Forbid("get", "nodes")
			}
			i := serve(t, api, tt.change)
			if got := i.used(); got != bothZones {
				t.Errorf("used: %s", got)
			}
			if n := strings.Count(i.log.String(), "the zone of this Daemun is not known"); n != tt.warnings {
				t.Errorf("%d warnings, want %d", n, tt.warnings)
			}
		})
	}
}
