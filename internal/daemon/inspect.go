package daemon

import (
	"fmt"
	"io"
	"net/netip"
	"slices"

	"daemun/internal/explain"
	"daemun/internal/ir"
	"daemun/internal/l4"
	"daemun/internal/manifest"
	"daemun/internal/metrics"
	"daemun/internal/network"
	"daemun/internal/policy"
	"daemun/internal/standalone"
	"daemun/internal/store"
	"daemun/internal/table"
	"daemun/internal/translate"
	"daemun/internal/upstream"
)

// Inspection is what manifests mean, found without running anything: Pods are
// assumed to be ready.
type Inspection struct {
	// Problems are all problems, placed in their files, sorted.
	Problems []ir.Problem
	Config   *ir.Config
	// Objects counts the objects that were read.
	Objects int

	loader   *manifest.Loader
	view     *store.View
	prefix   string
	table    *table.Table
	backends *upstream.Registry
	network  *ir.Network
}

// Manifests are files to be read.
type Manifests struct {
	Paths []string
	Stdin io.Reader
	// Told hears how many files have been read; nil is nobody.
	Told func(done, all int)
}

// Inspect is that of Manifests, with nobody to be told.
func Inspect(paths []string, stdin io.Reader, o translate.Options) (*Inspection, error) {
	return Manifests{Paths: paths, Stdin: stdin}.Inspect(o)
}

// Inspect reads manifests and translates them. It opens no socket, starts no
// process and writes no file. The error is that of a path that does not exist.
func (m Manifests) Inspect(o translate.Options) (*Inspection, error) {
	loader := manifest.New(m.Paths, m.Stdin)
	loader.Progress = m.Told
	first, err := loader.Load()
	if err != nil {
		return nil, err
	}
	objects, planned := standalone.Plan(withClasses(first, true).Put, standalone.Config{})
	s := store.New()
	s.Update(func(tx *store.Tx) {
		for _, o := range objects {
			tx.Put(o)
		}
	})
	view := s.View()
	res := translate.New(withFirewall(o)).Translate(view)
	in := &Inspection{
		Config: res.Config, Objects: len(first.Put), loader: loader, view: view, prefix: o.AnnotationsPrefix,
		backends: upstream.NewRegistry(upstream.Config{}),
	}
	services, serviceProblems := network.New().Translate(view)
	in.network = services
	for _, p := range slices.Concat(loader.Problems(), planned, res.Problems, serviceProblems) {
		in.Problems = append(in.Problems, Located(p, loader.Locate))
	}
	slices.SortFunc(in.Problems, ir.Problem.Compare)
	for _, b := range res.Config.Backends {
		in.backends.Configure(b)
		in.backends.Update(translate.Endpoints(view, b))
	}
	unobserved := &metrics.Route{}
	in.table = table.Compile(nil, view.Revision, res.Config, table.Handles{
		Backend: in.backends.Backend,
		Route:   func(*ir.Host, *ir.Route) *metrics.Route { return unobserved },

		Policies: policy.NewState(policy.Config{Beyond: o.Beyond}),
	})
	return in, nil
}

// Explain answers for one request as these manifests would serve it.
func (in *Inspection) Explain(r explain.Request) (*explain.Answer, error) {
	return explain.Explain(r, explain.Source{Table: in.table, View: in.view, Problems: in.Problems, Prefix: in.prefix, Place: placeOf(in.loader.Locate)})
}

// ExplainConnection answers for one connection as these manifests would serve
// it.
func (in *Inspection) ExplainConnection(r explain.ConnectionRequest) (*explain.Connection, error) {
	hosts := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	filter := newDialFilter(nil, nil)
	return explain.TraceConnection(r, explain.NetworkSource{
		Network: in.network, Zone: standalone.DefaultZone, View: in.view, Problems: in.Problems, Place: placeOf(in.loader.Locate),
		Decide: func(t ir.Transport, to netip.AddrPort, client netip.Addr) l4.Decision {
			return l4.Decide(in.network, l4.Question{Transport: t, To: to, Client: client, HostAddresses: hosts, DialFilter: filter})
		},
	})
}

// Close releases what the inspection holds.
func (in *Inspection) Close() { in.backends.Close() }

// placeOf prints where a field is written.
func placeOf(locate func(store.Key, string) (manifest.Position, bool)) func(ir.Ref, string) string {
	return func(r ir.Ref, field string) string {
		at, ok := locate(store.Key(r), field)
		if !ok {
			return ""
		}
		return fmt.Sprintf("%s:%d:%d", at.File, at.Line, at.Column)
	}
}
