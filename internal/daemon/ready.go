package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// addresses are what --ready-file holds.
type addresses struct {
	HTTP  string `json:"http"`
	HTTPS string `json:"https"`
	DNS   string `json:"dns,omitempty"`
	Admin string `json:"admin"`
	// Profiler is empty without --profiling.
	Profiler string `json:"profiler,omitempty"`
}

func (g *gateway) addresses() addresses {
	l := g.listeners.Load()
	a := addresses{HTTP: l.http.Addr().String(), HTTPS: l.https.Addr().String(), Admin: g.admin.Addr().String()}
	if g.profiler != nil {
		a.Profiler = g.profiler.Addr().String()
	}
	return a
}

// writeReadyFile tells scripts that everything is up; an empty path is none.
func writeReadyFile(path string, a addresses) error {
	if path == "" {
		return nil
	}
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	if err := writeAtomic(path, append(b, '\n')); err != nil {
		return fmt.Errorf("ready file: %w", err)
	}
	return nil
}

// writeAtomic makes a file appear with all of its contents at once.
func writeAtomic(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".daemun-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(b); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
