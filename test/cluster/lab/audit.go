package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Request is one request of an audited user, as the API server wrote it down.
type Request struct {
	User, Verb string
	// Resource is GROUP/RESOURCE/SUBRESOURCE, without what is empty.
	Resource, Namespace, Name string
	// Code is the status of the answer.
	Code int
	// Forbidden: the user lacks the right. A 403 may have other reasons, such as
	// a namespace that is being deleted.
	Forbidden bool
}

func (c *Cluster) auditLog() string { return filepath.Join(c.Dir, "audit.log") }

// auditArguments has the API server write down the requests of Options.Audit,
// without their bodies, as they are answered.
func (c *Cluster) auditArguments() ([]string, error) {
	policy := map[string]any{
		"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": []string{"RequestReceived"},
		"rules": []any{map[string]any{"level": "Metadata", "users": c.options.Audit}},
	}
	text, err := json.Marshal(policy)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(c.Dir, "audit.json")
	return []string{"--audit-policy-file", file, "--audit-log-path", c.auditLog(), "--audit-log-mode", "blocking"}, os.WriteFile(file, text, 0o600)
}

// Requests returns what audited users have asked for so far. A watch counts
// when it begins and when it ends.
func (c *Cluster) Requests() ([]Request, error) {
	text, err := os.ReadFile(c.auditLog())
	if err != nil {
		return nil, err
	}
	var all []Request
	for line := range bytes.Lines(text) {
		var e struct {
			Verb      string
			User      struct{ Username string }
			ObjectRef struct {
				APIGroup, Resource, Subresource, Namespace, Name string
			}
			ResponseStatus struct{ Code int }
			Annotations    map[string]string
		}
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("audit log: %w", err)
		}
		r := Request{User: e.User.Username, Verb: e.Verb, Resource: e.ObjectRef.Resource, Namespace: e.ObjectRef.Namespace, Name: e.ObjectRef.Name, Code: e.ResponseStatus.Code}
		r.Forbidden = e.Annotations["authorization.k8s.io/decision"] == "forbid"
		if e.ObjectRef.APIGroup != "" {
			r.Resource = e.ObjectRef.APIGroup + "/" + r.Resource
		}
		if e.ObjectRef.Subresource != "" {
			r.Resource += "/" + e.ObjectRef.Subresource
		}
		all = append(all, r)
	}
	return all, nil
}
