package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"daemun/internal/kube"
	"daemun/internal/migrate"
	"daemun/internal/store"
	"daemun/internal/translate"
)

// surveyTimeout bounds the time that reading a cluster once may take.
const surveyTimeout = 60 * time.Second

// MigrateFiles says what becomes of a set-up in manifests.
func MigrateFiles(m Manifests, o translate.Options) (*migrate.Report, error) {
	in, err := m.Inspect(o)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return migrate.New(migrate.Input{
		View: in.view, Result: translate.New(withFirewall(o)).Translate(in.view), Options: o, Place: placeOf(in.loader.Locate),
	}), nil
}

// MigrateCluster says what becomes of a set-up in a cluster. It only reads; told
// hears how many lists of objects have been.
func MigrateCluster(ctx context.Context, a kube.Access, scope kube.Scope, o translate.Options, told func(done, all int)) (*migrate.Report, error) {
	view, err := readCluster(ctx, a, scope, o, told)
	if err != nil {
		return nil, err
	}
	return migrate.New(migrate.Input{View: view, Result: translate.New(withFirewall(o)).Translate(view), Options: o}), nil
}

// readCluster reads everything once.
func readCluster(ctx context.Context, a kube.Access, scope kube.Scope, o translate.Options, told func(done, all int)) (*store.View, error) {
	cluster, err := kube.Connect(a)
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	quiet := slog.New(slog.DiscardHandler)
	s := store.New()
	source := kube.NewSource(kube.SourceConfig{
		Cluster: cluster, Store: s, Scope: scope, AnnotationsPrefix: o.AnnotationsPrefix, Extra: namedObjects(o, ""), Logger: quiet,
	})
	members := newGroup(ctx)
	members.start("objects", source.Run)
	late := time.NewTimer(surveyTimeout)
	defer late.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for err == nil {
		select {
		case <-source.Synced():
			return s.View(), members.stop()
		case <-tick.C:
			told(source.Read())
		case <-ctx.Done():
			err = ctx.Err()
		case <-late.C:
			err = errors.New("not everything could be read in time")
			if last := source.LastError(); last != nil {
				err = last
			}
		}
	}
	return nil, errors.Join(fmt.Errorf("API server %s: %w", cluster.Host, err), members.stop())
}
