package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"daemun/internal/configmap"
	"daemun/internal/control"
	"daemun/internal/ir"
	"daemun/internal/kube"
	"daemun/internal/manifest"
	"daemun/internal/store"
	"daemun/internal/translate"
)

// ControllerConfig is everything `daemun controller` can be told.
type ControllerConfig struct {
	// GatewayConfig's DrainTimeout of 0 is that of the ConfigMap.
	GatewayConfig
	Access kube.Access
	Scope  kube.Scope
	// Self is the Pod that this Daemun runs in; zero outside of a cluster.
	Self store.Name

	// ShutdownGrace is the time between unreadiness and the closing of the
	// listeners, PostShutdownGrace that between the end of traffic and the
	// end of the program.
	ShutdownGrace, PostShutdownGrace time.Duration

	// Status says what addresses Ingresses show.
	Status StatusConfig
	// Election decides who writes status and Events.
	Election ElectionConfig
	// SyncEvents writes an Event for every Ingress that is taken over.
	SyncEvents bool

	Webhook WebhookConfig
	// Published are TCP and UDP ports that lead to Services.
	Published PublishedConfig
	Zone      ZoneConfig

	// HealthPath is another path for /healthz.
	HealthPath string
	Metrics    bool
	ReadyFile  string
	// Notices and Warnings are said once at the start.
	Notices, Warnings []string
}

// StatusConfig says what addresses Ingresses show.
type StatusConfig struct {
	// Update is false when status is never written; Clear removes the
	// addresses when the last replica ends.
	Update, Clear bool
	// Addresses, and "namespace/name" of the Service that leads here.
	Addresses []string
	Service   string
	// Internal prefers the internal addresses of nodes.
	Internal bool
	Interval time.Duration
}

// ElectionConfig is where replicas agree on a leader. Without Enabled every
// replica writes.
type ElectionConfig struct {
	Enabled bool
	ID      string
	TTL     time.Duration
}

// Controller serves the Ingresses of a cluster until ctx ends, then drains;
// kill cuts that short. The error is one clear line when it cannot start.
func Controller(ctx context.Context, c ControllerConfig, kill <-chan struct{}) error {
	d, err := newController(ctx, c)
	if err != nil {
		return err
	}
	return d.run(ctx, kill)
}

// controller is one running Daemun of a cluster: a gateway in front of what an
// API server holds.
type controller struct {
	ControllerConfig
	*gateway
	cluster  *kube.Cluster
	source   *kube.Source
	election *kube.Election
	status   *kube.Status
	events   *kube.Events
	issuer   *issuer // nil where the webhook's certificate is in files
	synced   syncedIngresses
	memory   *collector
	// first is closed when the first table is live.
	first chan struct{}
}

// newController builds all parts and opens the operator's address. The sockets
// for clients open only with the first complete table: until then this replica
// must not take a request from one that could answer it (H11.3).
func newController(ctx context.Context, c ControllerConfig) (*controller, error) {
	d := &controller{ControllerConfig: c, memory: newCollector(), first: make(chan struct{})}
	var err error
	if d.cluster, err = kube.Connect(c.Access); err != nil {
		return nil, err
	}
	d.gateway = newGateway(c.GatewayConfig, d.edges())
	if err := d.inherit(ctx); err != nil {
		return nil, err
	}
	d.source = kube.NewSource(kube.SourceConfig{
		Cluster: d.cluster, Store: d.store, Scope: c.Scope, AnnotationsPrefix: c.Translate.AnnotationsPrefix,
		Extra: append(namedObjects(c.Translate, c.Status.Service), c.Published.objects()...), Logger: d.logger,
	})
	d.newWriters()
	for _, text := range c.Notices {
		d.logger.Info(text)
	}
	for _, text := range c.Warnings {
		d.logger.Warn(text)
	}
	if err := d.openOwnSockets(); err != nil {
		d.closeSockets()
		return nil, err
	}
	return d, nil
}

// openOwnSockets opens all sockets that are not for clients.
func (d *controller) openOwnSockets() (err error) {
	if err := d.openWebhook(d.Webhook, d.webhookCertificates, d.source.InScope); err != nil {
		return err
	}
	if err := d.openAdmin(); err != nil {
		return err
	}
	d.published, err = d.openPublished(d.Published)
	return err
}

// webhookCertificates are the files, or what this Daemun makes itself.
func (d *controller) webhookCertificates(c WebhookConfig) (certificates, error) {
	if c.Certificate != "" || c.Key != "" {
		return d.webhookFiles(c)
	}
	k, ok := keyOf("Secret", c.Secret)
	if !ok {
		k.Namespace, k.Name = d.ownNamespace(), c.Secret
	}
	d.issuer = newIssuer(d.cluster, store.Name{Namespace: k.Namespace, Name: k.Name}, c.Configuration, d.logger)
	return d.issuer, nil
}

func (d *controller) closeSockets() {
	d.gateway.closeSockets()
	d.published.close()
}

func (d *controller) edges() edges {
	return edges{
		say:       func(line string) { d.logger.Info(line) },
		locate:    func(store.Key, string) (manifest.Position, bool) { return manifest.Position{}, false },
		sources:   []problemSource{func() []ir.Problem { return append(d.source.Problems(), d.published.problems()...) }},
		changed:   d.logProblems,
		starting:  "not everything has been read from the API server yet",
		namespace: d.Self.Namespace, class: d.Translate.Controllers[0], pod: d.Self.Name,
		refuse:     refuseLoopback,
		layer4:     d.publishedStats(),
		tableLive:  func(s control.State) { d.tableIsLive(s) },
		leader:     func() (string, bool) { return d.Election.ID, d.leading() },
		health:     func() error { return d.readiness() },
		healthPath: d.HealthPath, restricted: true, withoutMetrics: !d.Metrics,
	}
}

var errLoopback = errors.New("a loopback address is never a backend in a cluster")

// refuseLoopback: in a cluster, what is on loopback is not a Pod but something
// beside Daemun (H10.2).
func refuseLoopback(to netip.AddrPort) error {
	if to.Addr().Unmap().IsLoopback() {
		return errLoopback
	}
	return nil
}

// namedObjects are those that flags name.
func namedObjects(o translate.Options, publishService string) (list []store.Key) {
	for _, named := range []struct{ kind, name string }{
		{"Service", o.DefaultBackendService}, {"Service", publishService}, {"Secret", o.DefaultCertificate}, {"ConfigMap", o.ConfigMap},
	} {
		if k, ok := keyOf(named.kind, named.name); ok {
			list = append(list, k)
		}
	}
	return list
}

// run waits for the first complete table, serves, and stops in order.
func (d *controller) run(ctx context.Context, kill <-chan struct{}) error {
	members := newGroup(context.WithoutCancel(ctx))
	d.startAdmin(members)
	members.start("objects", d.source.Run)
	members.start("events", d.events.Run)
	members.start("election", d.lead)
	d.logger.Info("reading from the API server", "host", d.cluster.Host)
	if err := d.begin(ctx, members); err != nil || !d.ready.Load() {
		// The members first: one that finds its socket closed calls that an error.
		err = errors.Join(err, members.stop())
		d.closeSockets()
		d.upstreams.Close()
		return err
	}
	select {
	case <-ctx.Done():
	case <-members.ctx.Done(): // the group holds the error
	case <-d.left():
	}
	if d.closeDoor() {
		d.makeWay(d.drainTimeout(), kill)
	} else {
		d.end(context.WithoutCancel(ctx), kill)
	}
	return members.stop()
}

// begin opens the sockets once everything has been read. It returns nil without
// doing so if the program is to end first.
func (d *controller) begin(ctx context.Context, members *group) error {
	started := time.Now()
	select {
	case <-ctx.Done():
		return nil
	case <-members.ctx.Done():
		return nil
	case <-d.source.Synced():
	}
	read := time.Since(started)
	if d.issuer != nil { // ready means that the webhook answers, too, if it can
		select {
		case <-ctx.Done():
			return nil
		case <-d.issuer.tried:
		}
	}
	d.loop.Zone = d.ownZone(ctx)
	if err := d.loop.Build(); err != nil {
		return err
	}
	if err := d.openTraffic(ctx); err != nil {
		return err
	}
	if err := d.published.build(); err != nil {
		return err
	}
	if err := d.takeOver(); err != nil {
		return err
	}
	close(d.first)
	d.startTraffic(members)
	d.published.start(members)
	d.ready.Store(true)
	d.startDoor(members)
	a, s := d.addresses(), d.loop.State()
	d.logger.Info("ready", "http", a.HTTP, "https", a.HTTPS, "admin", a.Admin, "ingresses", len(s.Accepted),
		"read", read.Round(time.Millisecond), "table", s.Took.Round(time.Millisecond))
	// The first lists are the most memory that will ever be garbage at once.
	debug.FreeOSMemory()
	return d.sayReady(a)
}

// sayReady writes the ready file. A Daemun that another one made way for does
// not end for the sake of a file.
func (d *controller) sayReady(a addresses) error {
	err := writeReadyFile(d.ReadyFile, a)
	if err == nil || d.inherited == nil {
		return err
	}
	d.logger.Error(err.Error())
	return nil
}

// end is the order of a shutdown: unready, grace, listeners, drain (H11.5).
// Configuration is followed to the end, so that requests that still come go to
// endpoints that are still there.
func (d *controller) end(ctx context.Context, kill <-chan struct{}) {
	d.draining.Store(true)
	if d.ShutdownGrace > 0 {
		d.logger.Info("stopping: not ready any more, still serving", "for", d.ShutdownGrace)
		sleep(d.ShutdownGrace, kill)
	}
	limit := d.drainTimeout()
	d.logger.Info("stopping: finishing requests", "for at most", limit)
	d.clearStatus(ctx)
	d.drain(limit, kill)
	sleep(d.PostShutdownGrace, kill)
}

// drainTimeout is that of the flag, else worker-shutdown-timeout of the
// ConfigMap.
func (d *controller) drainTimeout() time.Duration {
	if d.DrainTimeout > 0 {
		return d.DrainTimeout
	}
	k, _ := keyOf("ConfigMap", d.Translate.ConfigMap)
	if object := d.store.View().ConfigMaps[store.Name{Namespace: k.Namespace, Name: k.Name}]; object != nil {
		return configmap.Parse(ir.Ref{}, object.Data).Values.ShutdownTimeout
	}
	return configmap.Default().ShutdownTimeout
}

// sleep lets time pass unless kill is closed.
func sleep(t time.Duration, kill <-chan struct{}) {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-kill:
	case <-timer.C:
	}
}

// maxLogged bounds the problems that one change writes to the log.
const maxLogged = 20

// logProblems tells the log of problems; all are at the admin address and in
// the Events of their objects.
func (d *controller) logProblems(added, gone []ir.Problem) {
	d.events.Problems(added)
	logged := 0
	for _, p := range added {
		if p.Severity == ir.SeverityNotice {
			continue
		}
		if logged++; logged > maxLogged {
			d.logger.Warn("more problems: daemun get problems -A", "problems", len(added)-maxLogged)
			break
		}
		level := slog.LevelWarn
		if p.Severity == ir.SeverityError {
			level = slog.LevelError
		}
		d.logger.Log(context.Background(), level, p.String())
	}
	d.logSolved(gone)
}

// PodFromEnv is the Pod that the environment names.
func PodFromEnv() store.Name {
	return store.Name{Namespace: os.Getenv("POD_NAMESPACE"), Name: os.Getenv("POD_NAME")}
}

// keyOf reads "namespace/name".
func keyOf(kind, name string) (store.Key, bool) {
	namespace, rest, ok := strings.Cut(name, "/")
	return store.Key{Kind: kind, Namespace: namespace, Name: rest}, ok
}
