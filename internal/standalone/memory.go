package standalone

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"daemun/internal/store"
)

// memory is what a new start could not work out again from the manifests: the
// numbers of Services that came second to a place, and those that were chosen
// by a manifest that no longer says so. Most clusters have nothing of that.
//
// Several Daemuns may use one state directory, one after the other or at once:
// what is remembered of Services that are not here is kept, within a bound.
type memory struct {
	path    string
	noted   map[string]grants // by "namespace/name"
	here    map[store.Name]grants
	changed bool
}

const (
	// maxMemory bounds the file, maxNoted how many Services that are not here
	// it may have.
	maxMemory = 4 << 20
	maxNoted  = 5000
)

// recall reads the memory of the state directory. A file that cannot be read
// is as good as none: numbers may change once.
func recall(stateDir string) (*memory, error) {
	m := &memory{path: filepath.Join(stateDir, "services.json")}
	f, err := os.Open(m.path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxMemory))
	if err == nil {
		err = json.Unmarshal(text, &m.noted)
	}
	if err != nil {
		m.noted = nil
		return m, fmt.Errorf("%s: %w", m.path, err)
	}
	return m, nil
}

func (m *memory) of(name store.Name) grants { return m.noted[noteOf(name)] }

func noteOf(name store.Name) string { return name.Namespace + "/" + name.Name }

// learn takes over what is worth remembering of a settlement.
func (m *memory) learn(demands map[store.Name][]*demand, held map[store.Name]grants) {
	m.here = held
	next := maps.Clone(m.noted)
	if next == nil {
		next = map[string]grants{}
	}
	for name, list := range demands {
		g := grants{}
		for _, d := range list {
			if d.pool.noteworthy(d) {
				g[d.slot] = d.got
			}
		}
		if delete(next, noteOf(name)); len(g) > 0 {
			next[noteOf(name)] = g
		}
	}
	if !reflect.DeepEqual(next, m.noted) && len(next)+len(m.noted) > 0 {
		m.noted, m.changed = next, true
	}
}

// merge takes over what another Daemun has written meanwhile about Services
// that are not here, as far as there is room.
func (m *memory) merge(written map[string]grants) {
	others := 0
	for note := range m.noted {
		if m.isHere(note) {
			continue
		}
		if others++; others > maxNoted {
			delete(m.noted, note)
		}
	}
	for note, g := range written {
		_, known := m.noted[note]
		if m.isHere(note) || !known && others >= maxNoted {
			continue
		}
		if m.noted[note] = g; !known {
			others++
		}
	}
}

func (m *memory) isHere(note string) bool {
	namespace, name, _ := strings.Cut(note, "/")
	_, here := m.here[store.Name{Namespace: namespace, Name: name}]
	return here
}

// save writes the memory if it has changed. It is written beside and renamed:
// a crash leaves the old file or the new one.
func (m *memory) save() error {
	if !m.changed || m.path == "" {
		return nil
	}
	m.changed = false
	if other, err := recall(filepath.Dir(m.path)); err == nil {
		m.merge(other.noted)
	}
	text, err := json.MarshalIndent(m.noted, "", " ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(m.path), ".services-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // there only when something failed
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), m.path)
}
