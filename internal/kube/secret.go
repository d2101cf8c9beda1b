package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"daemun/internal/store"
)

// secretTimeout bounds a request about the webhook's certificate.
const secretTimeout = 5 * time.Second

// Secret reads a Secret; nil means that there is none.
func (c *Cluster) Secret(ctx context.Context, name store.Name) (*corev1.Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, secretTimeout)
	defer cancel()
	s := &corev1.Secret{}
	err := c.core.Get().Namespace(name.Namespace).Resource("secrets").Name(name.Name).Do(ctx).Into(s)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil //nolint:nilnil // what the comment says
	case err != nil:
		return nil, fmt.Errorf("get Secret %s/%s: %w", name.Namespace, name.Name, err)
	}
	return s, nil
}

// PutSecret writes a Secret: one that was read replaces what it was, another one
// must not be there. IsOvertaken is what the error is if somebody was faster.
func (c *Cluster) PutSecret(ctx context.Context, s *corev1.Secret) error {
	ctx, cancel := context.WithTimeout(ctx, secretTimeout)
	defer cancel()
	if s.ResourceVersion == "" {
		err := c.core.Post().Namespace(s.Namespace).Resource("secrets").Body(s).Do(ctx).Error()
		if err != nil {
			return fmt.Errorf("create Secret %s/%s: %w", s.Namespace, s.Name, err)
		}
		return nil
	}
	err := c.core.Put().Namespace(s.Namespace).Resource("secrets").Name(s.Name).Body(s).Do(ctx).Error()
	if err != nil {
		return fmt.Errorf("update Secret %s/%s: %w", s.Namespace, s.Name, err)
	}
	return nil
}

// IsOvertaken reports that an object was not written because another client had
// written it: it is to be read again.
func IsOvertaken(err error) bool {
	return apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) || apierrors.IsNotFound(err)
}

// configurations is where the API server has its validating webhooks. It is used
// by its path: the types of that group would be linked for the sake of one
// field.
const configurations = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/"

// webhookConfiguration is what is read of a ValidatingWebhookConfiguration.
type webhookConfiguration struct {
	Webhooks []struct {
		Name         string `json:"name"`
		ClientConfig struct {
			CABundle []byte `json:"caBundle"`
		} `json:"clientConfig"`
	} `json:"webhooks"`
}

// Trust makes a ValidatingWebhookConfiguration trust exactly these authorities,
// in PEM, and reports whether it had to be changed for that.
func (c *Cluster) Trust(ctx context.Context, configuration string, authorities []byte) (changed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, secretTimeout)
	defer cancel()
	path := configurations + configuration
	text, err := c.core.Get().AbsPath(path).SetHeader("Accept", "application/json").DoRaw(ctx)
	switch {
	case apierrors.IsNotFound(err):
		return false, fmt.Errorf("there is no ValidatingWebhookConfiguration %s", configuration)
	case err != nil:
		return false, fmt.Errorf("get ValidatingWebhookConfiguration %s: %w", configuration, err)
	}
	var have webhookConfiguration
	if err := json.Unmarshal(text, &have); err != nil {
		return false, fmt.Errorf("ValidatingWebhookConfiguration %s: %w", configuration, err)
	}
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	var patch []operation
	for i, hook := range have.Webhooks {
		if string(hook.ClientConfig.CABundle) == string(authorities) {
			continue
		}
		at := fmt.Sprintf("/webhooks/%d/", i)
		// The list may have changed since it was read.
		patch = append(patch, operation{"test", at + "name", hook.Name}, operation{"add", at + "clientConfig/caBundle", authorities})
	}
	if len(patch) == 0 {
		return false, nil
	}
	body, err := json.Marshal(patch)
	if err != nil {
		return false, err
	}
	if err := c.core.Patch(types.JSONPatchType).AbsPath(path).SetHeader("Accept", "application/json").Body(body).Do(ctx).Error(); err != nil {
		return false, fmt.Errorf("patch ValidatingWebhookConfiguration %s: %w", configuration, err)
	}
	return true, nil
}
