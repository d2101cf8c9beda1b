package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
)

// surveyTimeout bounds each request of a survey: a person waits for it.
const surveyTimeout = 15 * time.Second

// Survey is what of a cluster matters to an Ingress controller that is to run
// in it, read once.
type Survey struct {
	// Version is what the API server calls itself, such as v1.34.1.
	Version string
	// Clock is the time of the API server, to the second, when it answered a
	// request that this machine sent at Before; the answer came at After.
	Clock, Before, After time.Time

	Classes   []networkingv1.IngressClass
	Ingresses []networkingv1.Ingress
	// Controllers are Pods with a label of an Ingress controller's charts.
	Controllers []corev1.Pod
	// Leases are those of the name of the election.
	Leases []coordinationv1.Lease
	// Unread is what could not be read, such as "leases".
	Unread []Unread
}

// Unread is a resource that could not be read, and why.
type Unread struct{ Resource, Why string }

// Survey looks at the cluster; namespace is the only one whose Ingresses
// matter, or empty. An error is an API server that does not answer; what it
// refuses is in the survey.
func (c *Cluster) Survey(ctx context.Context, namespace, election string) (*Survey, error) {
	s := &Survey{}
	if err := c.greet(ctx, s); err != nil {
		return nil, err
	}
	classes, ingresses, leases := &networkingv1.IngressClassList{}, &networkingv1.IngressList{}, &coordinationv1.LeaseList{}
	for _, list := range []struct {
		client    rest.Interface
		resource  string
		namespace string
		options   metav1.ListOptions
		into      runtime.Object
	}{
		{c.networking, "ingressclasses", "", metav1.ListOptions{}, classes},
		{c.networking, "ingresses", namespace, metav1.ListOptions{}, ingresses},
		{c.coordination, "leases", "", metav1.ListOptions{FieldSelector: "metadata.name=" + election}, leases},
	} {
		request := list.client.Get().NamespaceIfScoped(list.namespace, list.namespace != "").Resource(list.resource)
		if err := s.note(ctx, list.resource, request.VersionedParams(&list.options, c.parameters), list.into); err != nil {
			return nil, err
		}
	}
	s.Classes, s.Ingresses, s.Leases = classes.Items, ingresses.Items, leases.Items
	return s, c.controllers(ctx, s)
}

// controllers looks for Pods of Ingress controllers.
func (c *Cluster) controllers(ctx context.Context, s *Survey) error {
	// The first is of all charts of ingress-nginx, the second of older
	// manifests.
	for _, label := range []string{"app.kubernetes.io/component=controller", "app.kubernetes.io/name=ingress-nginx", "app=ingress-nginx"} {
		pods := &corev1.PodList{}
		request := c.core.Get().Resource("pods").VersionedParams(&metav1.ListOptions{LabelSelector: label}, c.parameters)
		if err := s.note(ctx, "pods", request, pods); err != nil {
			return err
		}
		for _, p := range pods.Items {
			if !slices.ContainsFunc(s.Controllers, func(have corev1.Pod) bool {
				return have.UID == p.UID && have.Name == p.Name && have.Namespace == p.Namespace
			}) {
				s.Controllers = append(s.Controllers, p)
			}
		}
	}
	return nil
}

// note reads a list; that it is refused is noted once.
func (s *Survey) note(ctx context.Context, resource string, request *rest.Request, into runtime.Object) error {
	ctx, cancel := context.WithTimeout(ctx, surveyTimeout)
	defer cancel()
	err := request.Do(ctx).Into(into)
	var answered apierrors.APIStatus
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &answered):
		return fmt.Errorf("list %s: %w", resource, err)
	}
	if !slices.ContainsFunc(s.Unread, func(u Unread) bool { return u.Resource == resource }) {
		s.Unread = append(s.Unread, Unread{resource, reason(err)})
	}
	return nil
}

// greet asks for the version. The answer also tells the time of the API server.
func (c *Cluster) greet(ctx context.Context, s *Survey) error {
	ctx, cancel := context.WithTimeout(ctx, surveyTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.core.Get().AbsPath("/version").URL().String(), nil)
	if err != nil {
		return err
	}
	s.Before = time.Now()
	answer, err := c.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	s.After = time.Now()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", request.URL, answer.Status)
	}
	var version struct {
		GitVersion string `json:"gitVersion"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&version); err != nil {
		return fmt.Errorf("%s: %w", request.URL, err)
	}
	s.Version = version.GitVersion
	// Without a date nothing is known of the clock.
	s.Clock, _ = http.ParseTime(answer.Header.Get("Date"))
	return nil
}

// Right is one verb on one resource.
type Right struct {
	Verb, Group, Resource, Subresource, Name string
	// Namespace is empty for all of them, and for kinds that have none.
	Namespace string
}

// reviews is where the API server says who may do what. It is used by its path,
// as are configurations.
const reviews = "/apis/authorization.k8s.io/v1/"

// May asks whether a service account, "NAMESPACE/NAME", has a right; empty is
// whoever asks.
func (c *Cluster) May(ctx context.Context, account string, r Right) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, surveyTimeout)
	defer cancel()
	kind, resource := "SelfSubjectAccessReview", "selfsubjectaccessreviews"
	spec := map[string]any{"resourceAttributes": map[string]string{
		"verb": r.Verb, "group": r.Group, "resource": r.Resource, "subresource": r.Subresource, "name": r.Name, "namespace": r.Namespace,
	}}
	if account != "" {
		kind, resource = "SubjectAccessReview", "subjectaccessreviews"
		spec["user"], spec["groups"] = subject(account)
	}
	body, err := json.Marshal(map[string]any{"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec})
	if err != nil {
		return false, err
	}
	text, err := c.core.Post().AbsPath(reviews+resource).SetHeader("Content-Type", "application/json").SetHeader("Accept", "application/json").Body(body).DoRaw(ctx)
	if err != nil {
		return false, fmt.Errorf("ask whether a right is granted: %w", err)
	}
	var review struct {
		Status struct {
			Allowed bool `json:"allowed"`
		} `json:"status"`
	}
	if err := json.Unmarshal(text, &review); err != nil {
		return false, fmt.Errorf("ask whether a right is granted: %w", err)
	}
	return review.Status.Allowed, nil
}

// subject is a service account as the API server knows it.
func subject(account string) (user string, groups []string) {
	namespace, name, _ := strings.Cut(account, "/")
	return "system:serviceaccount:" + namespace + ":" + name,
		[]string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"}
}
