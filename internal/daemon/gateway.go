package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"daemun/internal/admin"
	"daemun/internal/control"
	"daemun/internal/explain"
	"daemun/internal/geo"
	"daemun/internal/handover"
	"daemun/internal/history"
	"daemun/internal/htpasswd"
	"daemun/internal/ir"
	"daemun/internal/listen"
	"daemun/internal/manifest"
	"daemun/internal/metrics"
	"daemun/internal/otlp"
	"daemun/internal/overload"
	"daemun/internal/passthrough"
	"daemun/internal/policy"
	"daemun/internal/proxy"
	"daemun/internal/spool"
	"daemun/internal/staple"
	"daemun/internal/store"
	"daemun/internal/table"
	"daemun/internal/tap"
	"daemun/internal/translate"
	"daemun/internal/upstream"
	"daemun/internal/watchdog"
)

// GatewayConfig is what every mode can be told about serving traffic.
type GatewayConfig struct {
	// Stdout receives the access log, Stderr everything said to people.
	Stdout, Stderr io.Writer

	ListenAddress string
	HTTPPort      int // 0: any free port
	HTTPSPort     int
	AdminAddress  string // "host:port"
	// ProfilerAddress serves profiles; empty is nowhere.
	ProfilerAddress string
	// HandOver is the Unix socket where a Daemun takes the listeners of the
	// one before it, and later gives them to the next; empty is nowhere.
	HandOver string

	Translate    translate.Options
	Geo          geo.Config
	DrainTimeout time.Duration
	// TempDir is where bodies are kept that are longer than memory should
	// hold; empty is $TMPDIR or /tmp. TempLimit bounds the octets of all, 0
	// leaves that to the disk.
	TempDir   string
	TempLimit int64
	Version   string
	// Log is how Daemun tells of itself.
	Log LogConfig
	// AccessLogDir is the folder below which the ConfigMap may name files for
	// access logs; empty is none. Reopen asks for them to be opened anew.
	AccessLogDir string
	Reopen       <-chan os.Signal
	// Upper bounds of the histograms; nil are the usual ones.
	TimeBuckets, LengthBuckets, SizeBuckets []float64
	Series                                  SeriesConfig
}

// edges are what a mode adds to its gateway. The functions may be called as
// soon as the gateway starts.
type edges struct {
	// say tells the operator one line.
	say func(string)
	// locate finds the place of an object in a file.
	locate func(k store.Key, field string) (manifest.Position, bool)
	// sources know problems besides those of translation; changed hears of
	// problems that appear and go.
	sources []problemSource
	changed func(added, gone []ir.Problem)
	// starting is why the gateway is not ready before the mode says it is.
	starting string
	// namespace, class and pod are the constant labels of the metrics.
	namespace, class, pod string
	// layer4, names and explainConnection are nil where there is no Service network.
	layer4            func() metrics.Layer4
	names             func() metrics.DNS
	explainConnection func(explain.ConnectionRequest) (*explain.Connection, error)
	// logPath is nil where there are no local Pods.
	logPath func(pod store.Name, container string) string
	// zone has the names of Services, for those that are aliases of others;
	// empty where the machine asks the DNS of a cluster.
	zone string
	// refuse says which addresses this mode never dials; nil adds none.
	refuse func(netip.AddrPort) error
	// tableLive hears of every table that went live; nil is nobody.
	tableLive func(control.State)
	// leader is the name of the election and whether it is won; nil where
	// there is none.
	leader func() (name string, leading bool)
	// health is what /healthz says, healthPath another path for it, and
	// restricted keeps other machines from the state; for a cluster.
	health     func() error
	healthPath string
	restricted bool
	// withoutMetrics answers nothing at /metrics.
	withoutMetrics bool
}

// gateway is what all modes share: from the store to the sockets. A mode fills
// the store, opens the sockets and says when it is ready.
type gateway struct {
	config GatewayConfig
	edges

	logger *slog.Logger
	// firewallBusy is nil in builds without a firewall.
	firewallBusy func() uint64

	store     *store.Store
	loop      *control.Loop
	table     atomic.Pointer[table.Table]
	upstreams *upstream.Registry
	metrics   *metrics.Registry
	logs      *logs
	spans     *otlp.Exporter
	staples   *staple.Stapler
	places    *geo.Databases
	proxy     *proxy.Server
	spool     *spool.Pool
	tap       *tap.Tap
	history   *history.History
	certs     *listen.Certificates
	way       listen.Entrance
	// passthrough carries connections whose TLS is their backends'.
	passthrough *passthrough.Server
	problems    *problemBoard

	overload *overload.Watch
	// full: new connections are closed at once.
	full atomic.Bool
	// watchdogs is nil until traffic is served.
	watchdogs atomic.Pointer[[]*watchdog.Watchdog]

	// live is how long changes take; facts are those of certificates.
	live  metrics.Times
	facts certificateFacts

	// measured is the configuration whose routes have series; the control
	// loop's own.
	measured *ir.Config

	// webhook is nil where nobody asks about Ingresses.
	webhook *webhook
	// published is nil where no TCP and UDP ports lead to Services.
	// publishedDirty wakes its loop where the Service network has one, too; nil
	// where the store does.
	published      *publishedPorts
	publishedDirty chan struct{}

	admin    net.Listener
	profiler net.Listener // nil without ProfilerAddress
	pages    pageServers
	// inherited are the sockets of the Daemun before this one, door is where
	// the next one asks; nil where there is none. shared are the names of
	// sockets that were taken over, own are all that are not for clients; both
	// are complete before anything is started.
	inherited *handover.Inheritance
	door      *handover.Door
	shared    map[string]bool
	own       []handover.Socket
	// alone is closed when this one may answer on shared sockets.
	alone chan struct{}
	// listeners is nil until the traffic sockets are open; scrapes may come
	// before that.
	listeners atomic.Pointer[listeners]
	// dialFilter is set before traffic starts: it refuses the addresses of all
	// sockets.
	dialFilter atomic.Pointer[func(netip.AddrPort) error]

	ready    atomic.Bool
	draining atomic.Bool
}

// listeners are the sockets that clients connect to.
type listeners struct{ http, https *listen.Listener }

// newGateway builds all parts; nothing runs and no socket is open yet.
func newGateway(c GatewayConfig, e edges) *gateway {
	g := &gateway{config: c, edges: e, store: store.New(), certs: listen.NewCertificates(), shared: map[string]bool{}, alone: make(chan struct{})}
	logger, level := NewLogger(c.Stderr, c.Log)
	g.logger, g.logs = logger, newLogs(c, level)
	fw := newFirewall(g.logger)
	g.config.Translate.CheckRules, c.Translate.CheckRules = fw.check, fw.check
	g.firewallBusy = fw.busy
	g.spans = otlp.New(otlp.Config{Resolve: g.clusterAddress, Filter: g.mayDial, Instance: e.pod, Version: c.Version, Logger: g.logger})
	g.places = geo.New(c.Geo)
	g.metrics = metrics.New(g.metricsConfig())
	g.staples = staple.New(staple.Config{Apply: g.certs.Staple, Filter: g.mayDial, Logger: g.logger})
	g.upstreams = upstream.NewRegistry(upstream.Config{DialFilter: g.mayDial, Services: g.namedService})
	g.passthrough = passthrough.New(passthrough.Config{Table: &g.table})
	g.tap, g.spool, g.overload = tap.New(), g.newSpool(), g.newOverload()
	g.proxy = proxy.New(proxy.Config{Table: &g.table, Log: g.logs.requests, Tap: g.tap, Logger: g.logger, Spans: g.spans, Places: g.places, Spool: g.spool, CleartextHTTP2: true, SecurePort: uint16(c.HTTPSPort)})
	g.history = history.New(history.Config{Routes: g.metrics, Connections: func() int64 { return g.connections().Active }})
	expired := &expiry{config: func() *ir.Config { return g.loop.State().Config }, now: time.Now}
	g.problems = &problemBoard{locate: e.locate, sources: append(e.sources[:len(e.sources):len(e.sources)], g.webhookProblems, g.staples.Problems, g.places.Problems, g.logs.problems, expired.problems), changed: e.changed}
	g.loop = control.New(control.Config{
		Store: g.store, Translator: translate.New(c.Translate), Upstreams: g.upstreams,
		Handles: table.Handles{Backend: g.upstreams.Backend, Route: g.routeMetrics, Canary: g.canaryMetrics, Policies: policy.NewState(policy.Config{Verifier: htpasswd.New, Rules: fw.rules, Beyond: c.Translate.Beyond})},
		Table:   &g.table, Logger: g.logger,
		Certificates: g.updateListeners,
		Published: func(s control.State) {
			g.spans.Configure(s.Config.Settings.Tracing)
			g.places.Configure(s.Config.Settings.Geo)
			g.upstreams.Keep(s.Config.Settings.Pool)
			g.upstreams.IPv4Names(s.Config.Settings.IPv4Names)
			g.published.tune(s.Config.Settings.Streams)
			g.retainMetrics(s.Config)
			g.live.Observe(s.Live)
			g.logs.use(s.Config.Settings.Logs)
			g.problems.publish(s.Problems)
			if g.tableLive != nil {
				g.tableLive(s)
			}
		},
	})
	return g
}

// updateListeners tells the listeners about a new configuration, before its
// table is live.
func (g *gateway) updateListeners(cfg *ir.Config) {
	g.certs.Update(cfg)
	g.way.Update(cfg)
	g.staples.Update(cfg)
}

// mayDial is the dial filter; before traffic starts nothing is dialled.
func (g *gateway) mayDial(to netip.AddrPort) error {
	filter := g.dialFilter.Load()
	if filter == nil {
		return errors.New("starting")
	}
	return (*filter)(to)
}

// openAdmin opens the operator's addresses.
func (g *gateway) openAdmin() error {
	if err := g.openProfiler(); err != nil {
		return err
	}
	l, err := g.open(socketAdmin, g.config.AdminAddress)
	if err != nil {
		return fmt.Errorf("%w; choose another with --admin-address", err)
	}
	g.admin = limitPerClient(l)
	return nil
}

// openTraffic opens the sockets that clients connect to.
func (g *gateway) openTraffic(ctx context.Context) error {
	common := listen.Config{Limit: listen.NewLimit(listen.DefaultMaxConnections()), ShedIdle: g.shedIdle, Full: &g.full, Logger: g.logger, Entrance: &g.way}
	plain, secure := common, common
	plain.Address, plain.Flag = address(g.config.ListenAddress, g.config.HTTPPort), "--http-port"
	secure.Address, secure.Flag, secure.TLS = address(g.config.ListenAddress, g.config.HTTPSPort), "--https-port", g.certs
	secure.Passthrough = g.passthrough
	plain.Socket, secure.Socket = g.inherited.Take(socketHTTP, plain.Address), g.inherited.Take(socketHTTPS, secure.Address)
	var l listeners
	var err error
	if l.http, err = listen.Listen(ctx, plain); err != nil {
		return err
	}
	if l.https, err = listen.Listen(ctx, secure); err != nil {
		l.http.Close()
		return err
	}
	g.listeners.Store(&l)
	return nil
}

// shedIdle makes room for a new connection. What is passed through may be
// waiting for something that only its ends know, and goes last.
func (g *gateway) shedIdle() bool { return g.proxy.ShedIdle() || g.passthrough.ShedIdle() }

func (g *gateway) closeSockets() {
	g.inherited.Close()
	if g.door != nil {
		g.door.Close()
	}
	g.closeTraffic()
	if g.admin != nil {
		g.admin.Close()
	}
	if g.profiler != nil {
		g.profiler.Close()
	}
	if g.webhook != nil {
		g.webhook.listener.Close()
	}
}

func (g *gateway) closeTraffic() {
	if l := g.listeners.Load(); l != nil {
		l.http.Close()
		l.https.Close()
	}
}

func address(host string, port int) string { return net.JoinHostPort(host, fmt.Sprint(port)) }

// newDialFilter knows the sockets that are open and the addresses this machine
// has now.
func (g *gateway) newDialFilter(open ...net.Addr) func(netip.AddrPort) error {
	var own []netip.AddrPort
	for _, a := range open {
		own = append(own, a.(*net.TCPAddr).AddrPort())
	}
	var local []netip.Addr
	found, err := net.InterfaceAddrs()
	if err != nil {
		g.logger.Warn("the addresses of this machine are not known; requests may be sent to Daemun's own ports through them", "err", err)
	}
	for _, a := range found {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			local = append(local, p.Addr())
		}
	}
	filter := newDialFilter(own, local)
	if g.refuse == nil {
		return filter
	}
	return func(to netip.AddrPort) error {
		if err := g.refuse(to); err != nil {
			return err
		}
		return filter(to)
	}
}

// startAdmin starts what works before there is a table: the operator's address
// and the watch over problems.
func (g *gateway) startAdmin(members *group) {
	members.start("spans", g.spans.Run)
	members.start("places", g.places.Run)
	g.logs.start(members)
	members.start("history", g.history.Run)
	members.start("overload", g.overload.Run)
	members.start("admin", g.serveAdmin)
	if g.profiler != nil {
		members.start("profiler", g.serveProfiles)
	}
	members.start("problems", g.watchProblems)
	if g.webhook != nil {
		members.start("webhook's certificate", g.webhook.certificates.Run)
		members.start("webhook", g.serveWebhook)
	}
}

// startTraffic serves clients and follows the store; all sockets are open and a
// table is live by then.
func (g *gateway) startTraffic(members *group) {
	members.start("ocsp answers", g.staples.Run)
	l := g.listeners.Load()
	open := []net.Addr{l.http.Addr(), l.https.Addr(), g.admin.Addr()}
	if g.profiler != nil {
		open = append(open, g.profiler.Addr())
	}
	filter := g.newDialFilter(open...)
	g.dialFilter.Store(&filter)
	members.start("control loop", g.loop.Run)
	members.start("http", func(ctx context.Context) error { return l.http.Serve(ctx, g.proxy) })
	members.start("https", func(ctx context.Context) error { return l.https.Serve(ctx, g.proxy) })
	g.watch(members, l)
}

// watchProblems notices problems of the sources, which come and go without a
// new table.
func (g *gateway) watchProblems(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			g.problems.refresh()
		}
	}
}

// drain stops accepting and lets requests in flight finish in time; kill cuts
// that short.
func (g *gateway) drain(limit time.Duration, kill <-chan struct{}) {
	g.draining.Store(true)
	g.closeTraffic()
	ctx, cancel := drainContext(limit, kill)
	defer cancel()
	var wg sync.WaitGroup
	for _, shutdown := range []func(context.Context) error{g.shutdownProxy, g.passthrough.Shutdown, g.published.drain} {
		wg.Go(func() { g.sayCut(shutdown(ctx)) })
	}
	wg.Wait()
	g.upstreams.Close()
}

// drainContext ends after the time, or with kill.
func drainContext(limit time.Duration, kill <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	go func() { // ends with ctx
		select {
		case <-kill:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// sayCut tells of connections that were not finished in time.
func (g *gateway) sayCut(err error) {
	if err != nil {
		g.say("connections cut after the drain time: " + err.Error())
	}
}

// shutdownProxy also waits for what was still in its TLS handshake.
func (g *gateway) shutdownProxy(ctx context.Context) error {
	err := g.proxy.Shutdown(ctx)
	if err == nil {
		if err = g.unaccepting(ctx); err != nil {
			_ = g.proxy.Shutdown(ctx) // cuts who came late
			_ = g.passthrough.Shutdown(ctx)
		}
	}
	return err
}

// unaccepting waits until the connections of closed listeners have ended.
func (g *gateway) unaccepting(ctx context.Context) error {
	l := g.listeners.Load()
	return errors.Join(l.http.Wait(ctx), l.https.Wait(ctx))
}

func (g *gateway) serveAdmin(ctx context.Context) error {
	s := &http.Server{
		Handler: admin.Handler(g.adminConfig()), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(g.logger.Handler(), slog.LevelWarn), BaseContext: func(net.Listener) context.Context { return ctx },
	}
	return g.serve(ctx, socketAdmin, s, g.admin)
}

func (g *gateway) adminConfig() admin.Config {
	scrape := g.metrics.Handler()
	if g.withoutMetrics {
		scrape = http.NotFoundHandler()
	}
	return admin.Config{
		Version: g.config.Version, View: g.store.View, State: g.loop.State, Table: g.table.Load,
		Problems: g.problems.list, Backend: g.upstreams.Backend, Ready: g.readiness,
		Metrics: scrape, Certificates: g.certs.Info, Address: g.config.ListenAddress,
		LogPath: g.logPath, ExplainConnection: g.explainConnection,
		Health: g.healthy, Live: g.alive, HealthPath: g.healthPath, Restricted: g.restricted,
		Explain: g.explain, Logger: g.logger,
		Tap: g.tap, Rates: g.history.Route, Dashboard: g.dashboard(), Listening: g.config.AdminAddress,
	}
}

func (g *gateway) explain(r explain.Request) (*explain.Answer, error) {
	return explain.Explain(r, g.source())
}

// source is what routes are explained with.
func (g *gateway) source() explain.Source {
	return explain.Source{
		Table: g.table.Load(), View: g.store.View(), Problems: g.problems.list(), Prefix: g.config.Translate.AnnotationsPrefix, Place: placeOf(g.locate),
	}
}

func (g *gateway) readiness() error {
	switch {
	case g.draining.Load():
		return errors.New("shutting down")
	case !g.ready.Load():
		return errors.New("starting: " + g.starting)
	}
	return nil
}
