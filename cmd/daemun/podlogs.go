package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/admin"
)

// podLogs is what `logs` is asked for.
type podLogs struct {
	namespace, container string
	follow, timestamps   bool
	tail                 int
	since                time.Duration
}

func logsCommand() *cobra.Command {
	l := podLogs{tail: -1}
	cmd := &cobra.Command{
		Use:   "logs POD|KIND/NAME [flags]",
		Short: "Print what a container of a running Daemun wrote",
		Long: `Print what a container of a running Daemun wrote, over all its restarts. KIND/NAME
is a workload, such as deploy/web: the first of its Pods that is ready speaks.`,
		Example: "  daemun logs web-6c5f7d8b9-x2x4k -f\n  daemun logs web-0 -c sidecar --tail 20\n  daemun logs deploy/web --since 5m",
		Args:    arguments1to(1, "a Pod, as \"daemun get pods\" lists them"),

		ValidArgsFunction: completePods,
	}
	address := adminFlag(cmd)
	f := cmd.Flags()
	f.StringVarP(&l.namespace, "namespace", "n", "default", "namespace of the Pod")
	completeNamespaces(cmd)
	f.StringVarP(&l.container, "container", "c", "", "container, if the Pod has several")
	f.BoolVarP(&l.follow, "follow", "f", false, "go on as more is written")
	f.BoolVar(&l.timestamps, "timestamps", false, "print the time of each line")
	f.IntVar(&l.tail, "tail", l.tail, "number of last lines; -1 is all")
	f.DurationVar(&l.since, "since", 0, "only lines that are not older: 10s, 5m, 2h; 0 is all")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if l.since < 0 {
			return usageError{fmt.Errorf("--since %s: want a time from 0", l.since)}
		}
		client := admin.Client{Address: *address}
		pod, err := l.pod(cmd.Context(), client, args[0], cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		body, err := client.Open(cmd.Context(), "/api/v1/logs/"+l.namespace+"/"+pod, l.query())
		if err != nil {
			return err
		}
		defer body.Close()
		_, err = io.Copy(cmd.OutOrStdout(), body)
		if cmd.Context().Err() != nil {
			return nil // Ctrl-C is how following ends
		}
		return err
	}
	return cmd
}

func (l *podLogs) query() url.Values {
	q := url.Values{"container": {l.container}, "follow": {strconv.FormatBool(l.follow)}, "timestamps": {strconv.FormatBool(l.timestamps)}}
	if l.tail >= 0 {
		q.Set("tail", strconv.Itoa(l.tail))
	}
	if l.since > 0 {
		q.Set("since", l.since.String())
	}
	return q
}

// pod is the name of the Pod that an argument means, in any form that kubectl
// takes.
func (l *podLogs) pod(ctx context.Context, client admin.Client, arg string, say io.Writer) (string, error) {
	kind, name, ok := strings.Cut(arg, "/")
	if !ok {
		return arg, nil
	}
	owner := map[string]string{
		"pod": "Pod", "pods": "Pod", "po": "Pod", "deployment": "Deployment", "deployments": "Deployment", "deploy": "Deployment",
		"statefulset": "StatefulSet", "statefulsets": "StatefulSet", "sts": "StatefulSet", "daemonset": "DaemonSet", "daemonsets": "DaemonSet", "ds": "DaemonSet",
		"replicaset": "ReplicaSet", "replicasets": "ReplicaSet", "rs": "ReplicaSet", "job": "Job", "jobs": "Job",
	}[strings.ToLower(kind)]
	switch {
	case owner == "" || name == "" || strings.Contains(name, "/"):
		return "", usageError{fmt.Errorf("%q: want a Pod, or a workload such as deploy/web", arg)}
	case owner == "Pod":
		return name, nil
	}
	var list struct {
		Items []*corev1.Pod `json:"items"`
	}
	if err := client.Get(ctx, "/api/v1/pods", nil, &list); err != nil {
		return "", err
	}
	var found []*corev1.Pod
	for _, p := range list.Items {
		if p.Namespace == l.namespace && ownedBy(p, owner, name) {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		return "", fmt.Errorf("%s %s/%s has no Pod", owner, l.namespace, name)
	}
	chosen := firstReady(found)
	if len(found) > 1 {
		fmt.Fprintf(say, "%s has %d Pods; this is %s\n", arg, len(found), chosen)
	}
	return chosen, nil
}

// ownedBy says whether a Pod belongs to a workload. That of a Deployment names
// its ReplicaSet, which is the Deployment's name with the hash of a template.
func ownedBy(p *corev1.Pod, kind, name string) bool {
	owner := metav1.GetControllerOf(p)
	if owner == nil {
		return false
	}
	if kind == "Deployment" {
		dash := strings.LastIndexByte(owner.Name, '-')
		return owner.Kind == "ReplicaSet" && dash > 0 && owner.Name[:dash] == name
	}
	return owner.Kind == kind && owner.Name == name
}

// firstReady is the first Pod that is ready, else the first.
func firstReady(pods []*corev1.Pod) string {
	for _, p := range pods {
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
				return p.Name
			}
		}
	}
	return pods[0].Name
}
