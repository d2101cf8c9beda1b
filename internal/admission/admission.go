// Package admission is the validating webhook for Ingresses: what would be out
// of service is refused before it is stored.
//
//	h := admission.Handler(admission.Config{Check: func(in *networkingv1.Ingress) (translate.Checked, error) { … }})
//
// It turns a review of the API server into an answer with the sentences that
// `daemun lint` prints. It only validates: it never loads, writes or runs what
// it is sent (H8.4), and keeps nothing. It owns no goroutine.
package admission

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/ir"
	"daemun/internal/translate"
)

// Path is where ingress-nginx answers reviews.
const Path = "/networking/v1/ingresses"

// Bounds of a review (H8.4) and of an answer. A review holds the object twice
// when it is changed, and the API server stores objects of 1.5 MiB in its own,
// shorter form: a bound of 1 MiB would keep an Ingress of some thousand paths
// from ever being changed again. The long ones come few at a time, so that all
// together stay small. ingress-nginx takes 9 MB.
const (
	maxShort    = 1 << 20
	maxReview   = 9 << 20
	maxAtOnce   = 32
	longAtOnce  = 2
	maxWait     = 2 * time.Second
	maxRefusals = 10
	maxWarnings = 10
)

// Config says how Ingresses are judged.
type Config struct {
	// Check says what would be wrong with an Ingress; the error is that
	// nothing can be said yet. It is called from several goroutines at once.
	Check func(in *networkingv1.Ingress) (translate.Checked, error)
	// InScope reports whether the Ingresses of a namespace are read; nil is
	// all of them.
	InScope func(namespace string) bool
	// Logger hears of what went wrong in here; nil is nobody.
	Logger *slog.Logger
}

// Webhook answers reviews. It is safe for concurrent use.
type Webhook struct {
	Config
	// slots are for all reviews, long for those above maxShort.
	slots, long chan struct{}
	counts      counts
}

// New returns a webhook.
func New(c Config) *Webhook {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Webhook{Config: c, slots: make(chan struct{}, maxAtOnce), long: make(chan struct{}, longAtOnce)}
}

// ServeHTTP answers at Path.
func (h *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			// The stack is for the operator, not for whoever reaches the port (H8.5).
			h.Logger.Error("panic in the webhook", "panic", p, "stack", string(debug.Stack()))
			http.Error(w, "internal error; the log of Daemun says more", http.StatusInternalServerError)
		}
	}()
	if r.URL.Path != Path {
		http.NotFound(w, r)
		return
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		http.Error(w, "want a review as application/json", http.StatusUnsupportedMediaType)
		return
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		http.Error(w, "too many reviews at once", http.StatusTooManyRequests)
		return
	}
	if r.ContentLength < 0 || r.ContentLength > maxShort {
		turn, cancel := context.WithTimeout(r.Context(), maxWait)
		defer cancel()
		select {
		case h.long <- struct{}{}:
			defer func() { <-h.long }()
		case <-turn.Done():
			http.Error(w, "too many long reviews at once", http.StatusTooManyRequests)
			return
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReview))
	if err != nil {
		status := http.StatusBadRequest
		if _, long := errors.AsType[*http.MaxBytesError](err); long {
			status = http.StatusRequestEntityTooLarge
		}
		http.Error(w, "read review: "+err.Error(), status)
		return
	}
	h.answer(w, body)
}

// answer answers one review.
func (h *Webhook) answer(w http.ResponseWriter, body []byte) {
	start := time.Now()
	review := admissionv1.AdmissionReview{}
	var err error
	if err := json.Unmarshal(body, &review); err != nil || review.Request == nil {
		http.Error(w, "want an AdmissionReview with a request", http.StatusBadRequest)
		return
	}
	answer := admissionv1.AdmissionReview{TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}}
	if answer.Response, err = h.review(review.Request); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	answer.Response.UID = review.Request.UID
	h.counts.answered(time.Since(start), len(review.Request.Object.Raw))
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // the only error is a reader that has gone
}

// review judges one request.
func (h *Webhook) review(r *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
	allowed := &admissionv1.AdmissionResponse{Allowed: true}
	isIngress := r.Resource.Group == "networking.k8s.io" && r.Resource.Resource == "ingresses" && r.SubResource == ""
	if !isIngress || r.Operation != admissionv1.Create && r.Operation != admissionv1.Update {
		return allowed, nil
	}
	if h.InScope != nil && !h.InScope(r.Namespace) {
		return allowed, nil
	}
	in := &networkingv1.Ingress{}
	if err := json.Unmarshal(r.Object.Raw, in); err != nil {
		return refuse("the object is no Ingress of networking.k8s.io/v1: " + err.Error()), nil
	}
	in.Namespace = r.Namespace // absent in some clients' objects
	if in.Name == "" {
		in.Name = r.Name
	}
	if in.DeletionTimestamp != nil {
		return allowed, nil // only finalizers go
	}
	start := time.Now()
	checked, err := h.Check(in)
	if err != nil || !checked.Ours {
		return allowed, err
	}
	answer := verdict(checked.Problems)
	h.counts.checked(Name{in.Namespace, in.Name}, answer.Allowed, checked.Together, time.Since(start))
	return answer, nil
}

// verdict refuses what is out of service by itself and warns of the rest.
func verdict(problems []ir.Problem) *admissionv1.AdmissionResponse {
	var refusals, warnings []string
	for _, p := range problems {
		switch {
		case translate.Refuses(p):
			refusals = append(refusals, p.String())
		case p.Severity != ir.SeverityNotice:
			warnings = append(warnings, p.String())
		}
	}
	if len(refusals) > 0 {
		return refuse(strings.Join(shorten(refusals, maxRefusals), "\n"))
	}
	return &admissionv1.AdmissionResponse{Allowed: true, Warnings: shorten(warnings, maxWarnings)}
}

func refuse(message string) *admissionv1.AdmissionResponse {
	return &admissionv1.AdmissionResponse{Result: &metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid, Message: message,
	}}
}

// shorten keeps the first lines and counts the rest.
func shorten(lines []string, most int) []string {
	if len(lines) <= most {
		return lines
	}
	return append(lines[:most:most], fmt.Sprintf("and %d more", len(lines)-most))
}
