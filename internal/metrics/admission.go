package metrics

import "time"

// Admission is what the webhook has reviewed.
type Admission struct {
	// RoundTrip is how long the last review took, Size the length of its
	// object in octets.
	RoundTrip time.Duration
	Size      int
	// Tested is how many Ingresses were translated for the last check, and
	// TestTook how long that took.
	Tested   int
	TestTook time.Duration
	// Checks are by Ingress.
	Checks []AdmissionChecks
}

// AdmissionChecks counts the reviews of one Ingress.
type AdmissionChecks struct {
	Namespace, Ingress string
	Accepted, Refused  uint64
}

// admissionGroup has the names of ingress-nginx. There, an Ingress is rendered
// into a configuration, which is then tested; here both is one translation.
func admissionGroup(read func() *Admission) group {
	byIngress := []string{"namespace", "ingress"}
	return group{
		metrics: []metric{
			{name: namespace + "_admission_roundtrip_duration", help: "Seconds that the last review of the webhook took.", kind: gauge},
			{name: namespace + "_admission_config_size", help: "Length in bytes of the object of the last review.", kind: gauge},
			{name: namespace + "_admission_tested_ingresses", help: "Ingresses that were translated for the last review: the new one, and those that share a host with it.", kind: gauge},
			{name: namespace + "_admission_tested_duration", help: "Seconds that the last translation for a review took.", kind: gauge},
			{name: namespace + "_admission_render_ingresses", help: "The same as admission_tested_ingresses.", kind: gauge},
			{name: namespace + "_admission_render_duration", help: "The same as admission_tested_duration.", kind: gauge},
			{name: namespace + "_check_success", help: "Reviews of an Ingress that accepted it.", kind: counter, labels: byIngress},
			{name: namespace + "_check_errors", help: "Reviews of an Ingress that refused it.", kind: counter, labels: byIngress},
		},
		collect: func(emit emitter) {
			a := read()
			if a == nil {
				return
			}
			for i, v := range []float64{a.RoundTrip.Seconds(), float64(a.Size), float64(a.Tested), a.TestTook.Seconds(), float64(a.Tested), a.TestTook.Seconds()} {
				emit(i, v)
			}
			for _, c := range a.Checks {
				emit(6, float64(c.Accepted), c.Namespace, c.Ingress)
				emit(7, float64(c.Refused), c.Namespace, c.Ingress)
			}
		},
	}
}
