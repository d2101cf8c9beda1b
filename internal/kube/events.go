package kube

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"daemun/internal/ir"
	"daemun/internal/store"
)

// Bounds of what is written as Events.
const (
	eventQueue   = 5000
	eventsPerSec = 20
	eventMessage = 1024 // the API server's limit, in bytes
	// eventsPerObject keeps one object with thousands of problems from taking
	// the queue, and the hour, of all others.
	eventsPerObject = 10
)

// eventLife is when an Event that is still true is written again: the API
// server forgets them after an hour.
const eventLife = 50 * time.Minute

// Events tells users of their objects what is wrong with them, where kubectl
// describe shows it.
type Events struct {
	Cluster *Cluster
	// Store finds the objects.
	Store *store.Store
	// Component and Instance say who speaks.
	Component, Instance string
	// Leading says whether this replica speaks; several that say the same
	// would not harm, but cost.
	Leading func() bool
	// Current lists the problems that hold now.
	Current func() []ir.Problem
	Logger  *slog.Logger

	queue   chan event
	dropped atomic.Uint64
}

type event struct {
	object                ir.Ref
	kind, reason, message string
}

// Open makes the queue; before it everything is dropped.
func (e *Events) Open() { e.queue = make(chan event, eventQueue) }

// Problems says what has become wrong, errors first. It never blocks.
func (e *Events) Problems(problems []ir.Problem) {
	told := map[ir.Ref]int{}
	for _, severity := range []ir.Severity{ir.SeverityError, ir.SeverityWarning} {
		for i := range problems {
			p := &problems[i]
			if p.Severity != severity || p.Object.Kind == "" || p.Object.Name == "" {
				continue
			}
			if told[p.Object]++; told[p.Object] <= eventsPerObject {
				e.problem(p)
			}
		}
	}
	for object, n := range told {
		if n > eventsPerObject {
			e.add(event{
				object: object, kind: corev1.EventTypeWarning, reason: "Problem",
				message: fmt.Sprintf("and %d more problems: daemun get problems -n %s", n-eventsPerObject, object.Namespace),
			})
		}
	}
}

func (e *Events) problem(p *ir.Problem) {
	message := p.Message + " [" + p.Code + "]"
	if p.Field != "" {
		message = p.Field + ": " + message
	}
	e.add(event{object: p.Object, kind: corev1.EventTypeWarning, reason: reasonOf(p.Code), message: message})
}

// Accepted says that an Ingress is served in its present version.
func (e *Events) Accepted(name store.Name) {
	e.add(event{
		object: ir.Ref{Kind: "Ingress", Namespace: name.Namespace, Name: name.Name},
		kind:   corev1.EventTypeNormal, reason: "Sync", message: "Scheduled for sync",
	})
}

func (e *Events) add(ev event) {
	if e.queue == nil || !e.Leading() {
		return
	}
	select {
	case e.queue <- ev:
	default:
		e.dropped.Add(1)
	}
}

// Dropped counts what was not said for want of room.
func (e *Events) Dropped() uint64 { return e.dropped.Load() }

// Run writes until ctx ends, at most eventsPerSec in the long run.
func (e *Events) Run(ctx context.Context) error {
	pace := time.NewTicker(time.Second / eventsPerSec)
	defer pace.Stop()
	again := time.NewTicker(eventLife)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
			e.Problems(e.Current())
			continue
		case ev := <-e.queue:
			if err := e.write(ctx, ev); err != nil && ctx.Err() == nil {
				e.Logger.Warn("Event not written", "object", ev.object.String(), "reason", ev.reason, "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
		}
	}
}

// reasonOf is the word in the REASON column, by the group of a code.
func reasonOf(code string) string {
	switch {
	case strings.HasPrefix(code, "DMN02"):
		return "RuleProblem"
	case strings.HasPrefix(code, "DMN03"):
		return "AnnotationParsingFailed" // ingress-nginx's word
	case strings.HasPrefix(code, "DMN04"):
		return "CertificateProblem"
	}
	return "Problem"
}

// write makes the Event, or renews the one that says the same: its name is
// made of what it says, so that replicas and restarts do not repeat it.
func (e *Events) write(ctx context.Context, ev event) error {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	about, ok := e.about(ev)
	if !ok {
		return nil // deleted meanwhile
	}
	if len(ev.message) > eventMessage {
		ev.message = strings.ToValidUTF8(ev.message[:eventMessage-3], "") + "…"
	}
	namespace := ev.object.Namespace
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	sum := sha256.Sum256([]byte(string(about.UID) + ev.reason + ev.message))
	now := metav1.Now()
	o := &corev1.Event{
		// 253 bytes are the limit of a name.
		ObjectMeta:     metav1.ObjectMeta{Namespace: namespace, Name: ev.object.Name[:min(len(ev.object.Name), 230)] + "." + hex.EncodeToString(sum[:8])},
		InvolvedObject: about, Reason: ev.reason, Message: ev.message, Type: ev.kind, Count: 1,
		FirstTimestamp: now, LastTimestamp: now, Source: corev1.EventSource{Component: e.Component},
		ReportingController: e.Component, ReportingInstance: e.Instance,
	}
	err := e.Cluster.core.Post().Namespace(namespace).Resource("events").Body(o).Do(ctx).Error()
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	patch, err := json.Marshal(map[string]any{"lastTimestamp": now})
	if err != nil {
		return err
	}
	return ignoreGone(e.Cluster.core.Patch(types.MergePatchType).Namespace(namespace).Resource("events").Name(o.Name).Body(patch).Do(ctx).Error())
}

// about refers to the object as the API server knows it.
func (e *Events) about(ev event) (corev1.ObjectReference, bool) {
	v := e.Store.View()
	name := store.Name{Namespace: ev.object.Namespace, Name: ev.object.Name}
	var o store.Object
	switch ev.object.Kind {
	case "Ingress":
		if in := v.Ingresses[name]; in != nil {
			o = in
		}
	case "Service":
		if s := v.Services[name]; s != nil {
			o = s
		}
	case "Secret":
		if s := v.Secrets[name]; s != nil {
			o = s
		}
	case "ConfigMap":
		if c := v.ConfigMaps[name]; c != nil {
			o = c
		}
	}
	if o == nil {
		return corev1.ObjectReference{}, false
	}
	gvk := o.GetObjectKind().GroupVersionKind()
	return corev1.ObjectReference{
		APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind, Namespace: name.Namespace, Name: name.Name,
		UID: o.GetUID(),
	}, true
}
