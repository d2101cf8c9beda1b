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
	"net"
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
	maxJudged   = 8
	longAtOnce  = 2
	maxWait     = 2 * time.Second
	maxBody     = 5 * time.Second
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
	// all are the places for all reviews, long those for what is above maxShort.
	all, long *places
	// judges bounds the judgements at one time: there are always more places than
	// are being judged, and those can be given to others.
	judges chan struct{}
	// bodyWait is how long a body may take.
	bodyWait time.Duration
	counts   counts
}

// New returns a webhook.
func New(c Config) *Webhook {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Webhook{Config: c, all: newPlaces(maxAtOnce), long: newPlaces(longAtOnce), judges: make(chan struct{}, maxJudged), bodyWait: maxBody}
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
	h.receive(w, r)
}

// receive reads a review, in a place of its own, and answers it. The place goes
// to others when the body takes too long.
func (h *Webhook) receive(w http.ResponseWriter, r *http.Request) {
	turn, leave := context.WithCancel(r.Context())
	defer leave()
	g := &guest{from: r.RemoteAddr, leave: leave}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		g.from = host
	}
	if !h.all.take(g) {
		http.Error(w, "too many reviews at once", http.StatusTooManyRequests)
		return
	}
	defer h.all.give(g)
	if r.ContentLength < 0 || r.ContentLength > maxShort {
		if !h.long.await(turn, g, maxWait) {
			http.Error(w, "too many long reviews at once", http.StatusTooManyRequests)
			return
		}
		defer h.long.give(g)
	}
	body, err := h.read(turn, w, r)
	switch {
	case !g.goesOn(reading, waiting):
		err = errGone
	case err == nil:
		err = h.judged(turn, g, func() { h.answer(w, body) })
	}
	if err != nil {
		http.Error(w, "read review: "+err.Error(), statusOf(err))
	}
}

var (
	errGone = errors.New("too many reviews at once")
	errSlow = errors.New("the body takes too long")
)

func statusOf(err error) int {
	if errors.Is(err, errGone) {
		return http.StatusTooManyRequests
	}
	if errors.Is(err, errSlow) {
		return http.StatusRequestTimeout
	}
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

// read returns the body of a review, of which nothing is waited for when turn
// has ended or it has taken too long.
func (h *Webhook) read(turn context.Context, w http.ResponseWriter, r *http.Request) ([]byte, error) {
	bounded, cancel := context.WithTimeoutCause(turn, h.bodyWait, errSlow)
	defer cancel()
	stopped := make(chan struct{})
	stop := context.AfterFunc(bounded, func() {
		defer close(stopped)
		// What wakes the reader; a server that knows no deadlines has its own bound.
		_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
	})
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReview))
	if !stop() {
		<-stopped // w is nobody's when the handler has returned
	}
	if err != nil && errors.Is(context.Cause(bounded), errSlow) {
		err = errSlow
	}
	return body, err
}

// judged calls judge when it is the review's turn.
func (h *Webhook) judged(turn context.Context, g *guest, judge func()) error {
	select {
	case h.judges <- struct{}{}:
		defer func() { <-h.judges }()
	case <-turn.Done():
		return errGone
	}
	if !g.goesOn(waiting, judging) {
		return errGone
	}
	judge()
	return nil
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
