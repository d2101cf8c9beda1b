// Package geo turns the address of a client into what databases in MaxMind's
// format say about it.
//
//	d := geo.New(geo.Config{Directory: "/etc/ingress-controller/geoip", Editions: []string{"GeoLite2-City"}})
//	d.Configure(settings) // nil: off
//	err := d.Run(ctx)     // looks for new files
//	b = d.AppendPlace(b, addr, "city_country_code")
//
// Files are read whole, so that one that is overwritten in place harms nobody,
// and the last good one stays when a new one is broken. It knows nothing of
// requests. Its goroutine is Run's.
package geo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	"daemun/internal/ir"
)

// CodeDatabase says that a database about addresses cannot be used.
const CodeDatabase = "DMN0364"

// maxFile bounds a database.
const maxFile = 1 << 30

// Config says where databases are.
type Config struct {
	Directory string
	// Editions are the names of the files without ".mmdb", in the order in
	// which they are asked.
	Editions []string
}

// Databases answers from files. It is safe for concurrent use.
type Databases struct {
	config Config
	// live is nil while nothing is looked up. What it points to is not written.
	live    atomic.Pointer[[]*database]
	changed chan struct{} // the settings

	mu       sync.Mutex // guards the following
	settings *ir.Geo
	problems []ir.Problem
}

// database is one file.
type database struct {
	edition  string
	reader   *maxminddb.Reader
	modified time.Time
	size     int64
}

// New returns databases that are off.
func New(c Config) *Databases { return &Databases{config: c, changed: make(chan struct{}, 1)} }

// Configure turns look-ups on or off. When it returns, the files were read.
func (d *Databases) Configure(s *ir.Geo) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s == nil {
		d.settings, d.problems = nil, nil
		d.live.Store(nil)
		return
	}
	if d.settings != nil && *d.settings == *s {
		return
	}
	d.settings = s
	d.load()
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// Problems returns what is wrong with the files.
func (d *Databases) Problems() []ir.Problem {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.problems)
}

// Run looks for new files until ctx ends.
func (d *Databases) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		d.mu.Lock()
		wait := 24 * time.Hour
		if d.settings != nil && d.settings.Reload > 0 {
			wait = d.settings.Reload.D()
		}
		d.mu.Unlock()
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case <-d.changed:
		case <-timer.C:
			d.refresh()
		}
	}
}

// refresh reads files that have changed, if that is asked for.
func (d *Databases) refresh() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.settings != nil && d.settings.Reload > 0 {
		d.load()
	}
}

// load brings live up to date; mu is held.
func (d *Databases) load() {
	var before []*database
	if p := d.live.Load(); p != nil {
		before = *p
	}
	var now []*database
	d.problems = nil
	for _, edition := range d.config.Editions {
		var old *database
		if i := slices.IndexFunc(before, func(b *database) bool { return b.edition == edition }); i >= 0 {
			old = before[i]
		}
		db, err := read(filepath.Join(d.config.Directory, edition+".mmdb"), edition, old)
		if err != nil {
			d.problems = append(d.problems, ir.Problem{
				Code: CodeDatabase, Severity: ir.SeverityWarning, Field: "--maxmind-edition-ids",
				Message: fmt.Sprintf("database %s cannot be used: %v; its variables are empty: put the file into the directory of --geoip-directory", edition, err),
			})
			db = old
		}
		if db != nil {
			now = append(now, db)
		}
	}
	d.live.Store(&now)
}

// read reads a file unless it is that of old.
func read(path, edition string, old *database) (*database, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no file %s", path)
	case err != nil:
		return nil, err
	case old != nil && old.modified.Equal(info.ModTime()) && old.size == info.Size():
		return old, nil
	case info.Size() > maxFile:
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	octets, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	reader, err := maxminddb.OpenBytes(octets)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &database{edition, reader, info.ModTime(), info.Size()}, nil
}

// AppendPlace appends the value of a variable for an address, nothing when no
// database has one. name is without "geoip2_".
func (d *Databases) AppendPlace(b []byte, addr netip.Addr, name string) []byte {
	live := d.live.Load()
	if live == nil || !addr.IsValid() {
		return b
	}
	addr = addr.Unmap().WithZone("")
	for _, s := range sources[name] {
		for _, db := range *live {
			if !slices.Contains(s.editions, db.edition) {
				continue
			}
			if out, ok := db.append(b, addr, s.path); ok {
				return out
			}
		}
	}
	return b
}

func (db *database) append(b []byte, addr netip.Addr, path []any) ([]byte, bool) {
	found := db.reader.Lookup(addr)
	if found.Err() != nil || !found.Found() {
		return b, false
	}
	var value any
	if found.DecodePath(&value, path...) != nil {
		return b, false
	}
	switch v := value.(type) {
	case string:
		return appendClean(b, v), v != ""
	case uint64:
		return strconv.AppendUint(b, v, 10), true
	case uint32:
		return strconv.AppendUint(b, uint64(v), 10), true
	case uint16:
		return strconv.AppendUint(b, uint64(v), 10), true
	case int32:
		return strconv.AppendInt(b, int64(v), 10), true
	case int:
		return strconv.AppendInt(b, int64(v), 10), true
	case float64:
		return strconv.AppendFloat(b, v, 'f', 5, 64), true
	case float32:
		return strconv.AppendFloat(b, float64(v), 'f', 5, 32), true
	case bool:
		if v {
			return append(b, '1'), true
		}
		return append(b, '0'), true
	}
	return b, false
}

// appendClean leaves out what must not stand in a field.
func appendClean(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c >= ' ' && c != 0x7f {
			b = append(b, c)
		}
	}
	return b
}
