package translate

import (
	"slices"
	"strings"
	"time"

	"daemun/internal/annotation"
	"daemun/internal/ir"
	"daemun/internal/store"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Checked is what translation would say of one Ingress.
type Checked struct {
	// Ours: the Ingress is of our class. Of others nothing is said.
	Ours bool
	// Problems are those of the Ingress, sorted.
	Problems []ir.Problem
	// Together is how many Ingresses were translated to find them.
	Together int
}

// maxNeighbours bounds the Ingresses that a check looks at.
const maxNeighbours = 300

// Check says what would be wrong with an Ingress that took its place in a view
// of which current is the translation. It translates the Ingress together with
// those that share a host with it, so that its cost does not depend on the
// size of the cluster. now is the age of an Ingress that has none yet.
//
// Whoever comes later loses a path. Check also reports a path that the Ingress
// would take from a younger one, unless it had the path already.
func Check(v *store.View, current *ir.Config, o Options, candidate *networkingv1.Ingress, now time.Time) Checked {
	c := check{view: v, options: o, candidate: candidate, name: store.NameOf(candidate)}
	if candidate.CreationTimestamp.IsZero() {
		c.candidate = candidate.DeepCopy()
		c.candidate.CreationTimestamp = metav1.NewTime(now)
	}
	c.neighbours(current)
	problems, ours := c.translate(c.candidate)
	if !ours {
		return Checked{}
	}
	youngest := c.candidate.DeepCopy()
	youngest.CreationTimestamp = metav1.NewTime(now)
	if old := v.Ingresses[c.name]; old != nil && len(c.others) > 0 {
		lost, _ := c.translate(youngest)
		had := paths(old)
		for _, p := range lost {
			if p.Code == CodeDuplicate && !had[c.pathAt(p.Field)] && !slices.Contains(problems, p) {
				problems = append(problems, p)
			}
		}
		slices.SortFunc(problems, ir.Problem.Compare)
	}
	return Checked{Ours: true, Problems: problems, Together: len(c.others) + 1}
}

// check is one run of Check.
type check struct {
	view      *store.View
	options   Options
	candidate *networkingv1.Ingress
	name      store.Name
	// others share a host with the candidate.
	others map[store.Name]*networkingv1.Ingress
}

// neighbours finds the Ingresses that own routes of the hosts that the
// candidate names.
func (c *check) neighbours(current *ir.Config) {
	c.others = map[store.Name]*networkingv1.Ingress{}
	for _, name := range c.hosts() {
		at, found := slices.BinarySearchFunc(current.Hosts, name, func(h *ir.Host, name string) int { return strings.Compare(h.Name, name) })
		if !found {
			continue
		}
		h := current.Hosts[at]
		c.add(h.Owner)
		for _, r := range h.Routes {
			c.add(r.Ingress)
		}
	}
}

func (c *check) add(ref ir.Ref) {
	name := store.Name{Namespace: ref.Namespace, Name: ref.Name}
	if in := c.view.Ingresses[name]; in != nil && name != c.name && len(c.others) < maxNeighbours {
		c.others[name] = in
	}
}

// hosts are the host blocks that the candidate may have to do with.
func (c *check) hosts() []string {
	var names []string
	for i := range c.candidate.Spec.Rules {
		name := ""
		if written := c.candidate.Spec.Rules[i].Host; written != "" {
			var ok bool
			if name, ok = hostName(written); !ok {
				continue
			}
		}
		names = append(names, name, "www."+name, strings.TrimPrefix(name, "www."))
	}
	if len(c.candidate.Spec.Rules) == 0 {
		names = append(names, "")
	}
	for alias := range strings.SplitSeq(c.candidate.Annotations[c.options.AnnotationsPrefix+"/server-alias"], ",") {
		if name, ok := hostName(strings.TrimSpace(alias)); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// translate returns the problems that the candidate has among the others.
func (c *check) translate(candidate *networkingv1.Ingress) (problems []ir.Problem, ours bool) {
	small := *c.view
	small.Ingresses = make(map[store.Name]*networkingv1.Ingress, len(c.others)+1)
	for name, in := range c.others {
		small.Ingresses[name] = in
	}
	small.Ingresses[c.name] = candidate
	r := New(c.options).Translate(&small)
	for _, p := range r.Problems {
		if p.Object == refOf(candidate) {
			problems = append(problems, p)
		}
	}
	return problems, slices.Contains(r.Accepted, c.name)
}

// pathKey is what two Ingresses can dispute.
type pathKey struct {
	host, path string
	exact      bool
}

func paths(in *networkingv1.Ingress) map[pathKey]bool {
	found := map[pathKey]bool{}
	eachPath(in, func(_ string, k pathKey) { found[k] = true })
	return found
}

// pathAt finds the path that the field of a problem means.
func (c *check) pathAt(field string) (found pathKey) {
	eachPath(c.candidate, func(at string, k pathKey) {
		if strings.HasPrefix(field, at) {
			found = k
		}
	})
	return found
}

func eachPath(in *networkingv1.Ingress, f func(field string, k pathKey)) {
	for i := range in.Spec.Rules {
		rule := &in.Spec.Rules[i]
		if rule.HTTP == nil {
			continue
		}
		host, _ := hostName(rule.Host)
		for j := range rule.HTTP.Paths {
			p := &rule.HTTP.Paths[j]
			k := pathKey{host: host, path: p.Path, exact: p.PathType != nil && *p.PathType == networkingv1.PathTypeExact}
			if k.path == "" {
				k.path = "/"
			}
			f(pathField(i, j), k)
		}
	}
}

// Refuses reports whether a problem is one for which an Ingress is better not
// stored: an error that is in the Ingress itself. A Service, a Secret or a
// class may well be created later, and then the problem goes.
func Refuses(p ir.Problem) bool {
	switch p.Code {
	case CodeNoClass, CodeNoService, CodeNoPort, CodeExternalName, CodeFallback,
		CodeNoSecret, CodeSecretKeys, CodeCertificate, CodeKeyPair, CodeNotCovered,
		annotation.CodeReference, annotation.CodeUsers:
		return false
	case CodePrefix: // harmless, but never what is meant (ingress-nginx §0)
		return true
	}
	return p.Severity == ir.SeverityError
}

// otherPrefix reports annotations with ingress-nginx's own prefix where
// --annotations-prefix says another: they would do nothing.
func otherPrefix(o *Options, in *networkingv1.Ingress) (problems []ir.Problem) {
	usual := DefaultOptions().AnnotationsPrefix
	if o.AnnotationsPrefix == usual {
		return nil
	}
	for key := range in.Annotations {
		if strings.HasPrefix(key, usual+"/") {
			problems = append(problems, ir.Problem{
				Code: CodePrefix, Severity: ir.SeverityWarning, Object: refOf(in), Field: annotation.Field(key),
				Message: "annotations begin with " + o.AnnotationsPrefix + "/ here; this one is not read: correct its prefix",
			})
		}
	}
	return problems
}
