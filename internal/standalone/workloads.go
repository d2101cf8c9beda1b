package standalone

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"daemun/internal/ir"
	"daemun/internal/store"
)

// controllers is what each kind of workload does, in the order they run.
var controllers = []struct {
	kind string
	run  func(*state, store.Key, store.Object)
}{
	{"Pod", (*state).runPod},
	{"Deployment", (*state).runDeployment},
	{"ReplicaSet", (*state).runReplicaSet},
	{"StatefulSet", (*state).runStatefulSet},
	{"DaemonSet", (*state).runDaemonSet},
	{"Job", (*state).runJob},
	{"CronJob", (*state).notRun},
	{"ReplicationController", (*state).notRun},
}

// runWorkloads is one step of every controller.
func (s *state) runWorkloads() {
	for _, e := range s.pods {
		if o, ok := s.objects[e.source]; !ok || s.isCopy(o) {
			s.remove(e)
		} else if e.scheduled() && s.nodes.get(e.pod.Spec.NodeName) == nil {
			s.remove(e) // its node is gone
		}
	}
	byKind := map[string][]store.Key{}
	for k := range s.objects {
		byKind[k.Kind] = append(byKind[k.Kind], k)
	}
	for _, c := range controllers {
		keys := byKind[c.kind]
		slices.SortFunc(keys, func(a, b store.Key) int {
			return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
		})
		for _, k := range keys {
			if o := s.objects[k]; !s.isCopy(o) {
				c.run(s, k, o)
			}
		}
	}
}

// workload is what the controllers of several kinds share.
type workload struct {
	key      store.Key
	template *corev1.PodTemplateSpec
	selector *metav1.LabelSelector
	base     string            // of generated names
	labels   map[string]string // beside the template's
	hash     string
	owner    metav1.OwnerReference
	dress    func(*corev1.PodTemplateSpec, creation) // further changes; may be nil
}

// apply carries out a decision.
func (s *state) apply(w workload, d decision) {
	s.due(d.again)
	for _, name := range d.delete {
		if e := s.pods[store.Name{Namespace: w.key.Namespace, Name: name}]; e != nil {
			s.remove(e)
		}
	}
	for _, c := range d.create {
		if c.name != "" && s.pods[store.Name{Namespace: w.key.Namespace, Name: c.name}] != nil {
			continue // the old Pod of this name has to end first
		}
		o := podOrder{
			source: w.key, prefix: "spec.template.", template: *w.template, name: c.name, base: w.base, owner: w.owner,
			labels: w.labels, hash: w.hash, ordinal: c.ordinal, node: c.node,
		}
		if w.dress != nil {
			o.template = *w.template.DeepCopy()
			w.dress(&o.template, c)
			o.labels = maps.Clone(w.labels)
		}
		if w.key.Kind != "Job" {
			// The only policy these kinds may have; with another one a Pod that
			// ends would be replaced without any back-off.
			o.template.Spec.RestartPolicy = corev1.RestartPolicyAlways
		}
		s.order(o)
	}
}

// selects checks that a workload would find its own Pods; the API server
// refuses one that does not.
func (s *state) selects(w workload) bool {
	selector, err := metav1.LabelSelectorAsSelector(w.selector)
	switch {
	case w.selector == nil:
		return true
	case err != nil:
	case selector.Matches(labels.Set(w.template.Labels)):
		return true
	default:
		err = fmt.Errorf("selector %s does not match the labels of the template %v; make them equal", selector, w.template.Labels)
	}
	s.found.add(ir.Problem{Code: CodeWorkload, Severity: ir.SeverityError, Object: refOf(w.key), Field: "spec.selector", Message: err.Error()})
	return false
}

func (s *state) replicas(key store.Key) []replica {
	var out []replica
	for _, e := range s.owned(key) {
		out = append(out, e.replica())
	}
	return out
}

func (s *state) runPod(key store.Key, o store.Object) {
	wanted := o.(*corev1.Pod)
	hash := s.hash(key, &wanted.Spec)
	name := store.NameOf(wanted)
	e := s.pods[name]
	switch {
	case e == nil:
		template := corev1.PodTemplateSpec{ObjectMeta: wanted.ObjectMeta, Spec: wanted.Spec}
		if exported(wanted) && s.nodes.get(template.Spec.NodeName) == nil {
			template.Spec.NodeName = ""
		}
		s.order(podOrder{source: key, template: template, name: wanted.Name, hash: hash})
		made := s.pods[name].pod
		made.Status.Conditions = append(made.Status.Conditions, wanted.Status.Conditions...)
	case e.source != key:
		s.found.add(ir.Problem{
			Code: CodeWorkload, Severity: ir.SeverityError, Object: refOf(key), Field: "metadata.name",
			Message: fmt.Sprintf("%s already has a Pod of this name; choose another", refOf(e.source)),
		})
	case e.deleting():
	case e.hash != hash:
		s.remove(e) // the next step makes the new one, once this one has ended
	case !maps.Equal(e.pod.Labels, wanted.Labels) || !maps.Equal(e.pod.Annotations, wanted.Annotations):
		pod := e.pod.DeepCopy()
		pod.Labels, pod.Annotations = maps.Clone(wanted.Labels), maps.Clone(wanted.Annotations)
		s.replace(e, pod)
	}
}

func (s *state) runDeployment(key store.Key, o store.Object) {
	d := o.(*appsv1.Deployment)
	hash := s.hash(key, &d.Spec.Template)
	w := workload{
		key: key, template: &d.Spec.Template, selector: d.Spec.Selector, base: d.Name + "-" + hash, hash: hash,
		labels: map[string]string{appsv1.DefaultDeploymentUniqueLabelKey: hash},
		owner:  metav1.OwnerReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: d.Name + "-" + hash},
	}
	if s.selects(w) && !d.Spec.Paused {
		s.apply(w, rolloutOf(d, hash).decide(s.replicas(key), s.now))
	}
}

func (s *state) runReplicaSet(key store.Key, o store.Object) {
	r := o.(*appsv1.ReplicaSet)
	w := workload{
		key: key, template: &r.Spec.Template, selector: r.Spec.Selector, base: r.Name, hash: s.hash(key, &r.Spec.Template),
		owner: metav1.OwnerReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: r.Name, UID: r.UID},
	}
	if s.selects(w) {
		s.apply(w, keepReplicas(count(r.Spec.Replicas, 1), w.hash, s.replicas(key)))
	}
}

func (s *state) runStatefulSet(key store.Key, o store.Object) {
	set := o.(*appsv1.StatefulSet)
	hash := s.hash(key, &set.Spec.Template)
	w := workload{
		key: key, template: &set.Spec.Template, selector: set.Spec.Selector, base: set.Name, hash: hash,
		owner: metav1.OwnerReference{APIVersion: "apps/v1", Kind: "StatefulSet", Name: set.Name, UID: set.UID},
		dress: func(t *corev1.PodTemplateSpec, c creation) { dressStateful(set, t, c) },
	}
	if s.selects(w) {
		s.apply(w, decideStateful(set, hash, s.replicas(key), s.now))
	}
}

// dressStateful gives a Pod its identity: host name, labels, its own claims.
func dressStateful(set *appsv1.StatefulSet, t *corev1.PodTemplateSpec, c creation) {
	t.Labels = maps.Clone(t.Labels)
	if t.Labels == nil {
		t.Labels = map[string]string{}
	}
	t.Labels[appsv1.StatefulSetPodNameLabel] = c.name
	t.Labels[appsv1.PodIndexLabel] = strconv.Itoa(c.ordinal)
	t.Labels[appsv1.StatefulSetRevisionLabel] = set.Name + "-" + c.hash
	t.Spec.Hostname, t.Spec.Subdomain = c.name, set.Spec.ServiceName
	for _, claim := range set.Spec.VolumeClaimTemplates {
		t.Spec.Volumes = append(slices.DeleteFunc(t.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == claim.Name }), corev1.Volume{
			Name: claim.Name, VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name + "-" + c.name},
			},
		})
	}
}

func (s *state) runDaemonSet(key store.Key, o store.Object) {
	set := o.(*appsv1.DaemonSet)
	hash := s.hash(key, &set.Spec.Template)
	w := workload{
		key: key, template: &set.Spec.Template, selector: set.Spec.Selector, base: set.Name, hash: hash,
		labels: map[string]string{appsv1.ControllerRevisionHashLabelKey: hash},
		owner:  metav1.OwnerReference{APIVersion: "apps/v1", Kind: "DaemonSet", Name: set.Name, UID: set.UID},
	}
	var names []string
	for _, n := range s.nodes.fit(&set.Spec.Template.Spec) {
		names = append(names, n.Name)
	}
	if s.selects(w) {
		s.apply(w, decideDaemons(set, hash, names, s.replicas(key), s.now))
	}
}

func (s *state) runJob(key store.Key, o store.Object) {
	j := o.(*batchv1.Job)
	w := workload{
		key: key, template: &j.Spec.Template, base: j.Name, hash: s.hash(key, &j.Spec),
		labels: map[string]string{batchv1.JobNameLabel: j.Name, "job-name": j.Name},
		owner:  metav1.OwnerReference{APIVersion: "batch/v1", Kind: "Job", Name: j.Name, UID: j.UID},
	}
	indexed := j.Spec.CompletionMode != nil && *j.Spec.CompletionMode == batchv1.IndexedCompletion
	w.dress = func(t *corev1.PodTemplateSpec, c creation) { dressJob(t, c, indexed) }
	if j.Spec.ActiveDeadlineSeconds != nil {
		s.found.add(ir.Problem{
			Code: CodeIgnored, Severity: ir.SeverityNotice, Object: refOf(key), Field: "spec.activeDeadlineSeconds",
			Message: "has no effect on one machine: the Job may run longer",
		})
	}
	var current []replica
	for _, r := range s.replicas(key) {
		if r.hash != w.hash {
			// An edited Job runs again, once the Pods of the old one have ended.
			if e := s.pods[store.Name{Namespace: key.Namespace, Name: r.name}]; e != nil {
				s.remove(e)
			}
			continue
		}
		current = append(current, r)
	}
	d, failed := decideJob(j, w.hash, current, s.now)
	if failed {
		s.found.add(ir.Problem{
			Code: CodeJobFailed, Severity: ir.SeverityError, Object: refOf(key),
			Message: fmt.Sprintf("the Job has failed more often than backoffLimit %d permits; see the logs of its Pods, then change the Job to run it again", count(j.Spec.BackoffLimit, 6)),
		})
	}
	s.apply(w, d)
}

// dressJob: Pods of a Job never restart by default rules of their own, and an
// indexed one knows its index.
func dressJob(t *corev1.PodTemplateSpec, c creation, indexed bool) {
	if t.Spec.RestartPolicy == "" || t.Spec.RestartPolicy == corev1.RestartPolicyAlways {
		t.Spec.RestartPolicy = corev1.RestartPolicyNever
	}
	if !indexed {
		return
	}
	index := strconv.Itoa(c.ordinal)
	if t.Annotations = maps.Clone(t.Annotations); t.Annotations == nil {
		t.Annotations = map[string]string{}
	}
	t.Annotations[batchv1.JobCompletionIndexAnnotation] = index
	for i := range t.Spec.Containers {
		t.Spec.Containers[i].Env = append(t.Spec.Containers[i].Env, corev1.EnvVar{Name: "JOB_COMPLETION_INDEX", Value: index})
	}
}

func (s *state) notRun(key store.Key, _ store.Object) {
	s.found.add(ir.Problem{
		Code: CodeWorkload, Severity: ir.SeverityWarning, Object: refOf(key),
		Message: key.Kind + " is not run on one machine; use Deployment, StatefulSet, DaemonSet, Job or Pod",
	})
}

// hash is hashOf, remembered as long as the object is the same. v is a pointer:
// a value would be copied in every step.
func (s *state) hash(key store.Key, v any) string {
	if h, ok := s.hashes[key]; ok {
		return h
	}
	h := hashOf(v)
	s.hashes[key] = h
	return h
}
