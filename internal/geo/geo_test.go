package geo

import (
	"context"
	"encoding/binary"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"daemun/internal/ir"
	"daemun/internal/variable"
)

// TestEveryVariableHasASource: the names of the variables and of the sources are
// the same.
func TestEveryVariableHasASource(t *testing.T) {
	t.Parallel()
	for name := range variable.Places() {
		if len(sources[name]) == 0 {
			t.Errorf("$%s%s has no source", variable.PlacePrefix, name)
		}
	}
	if len(sources) != len(variable.Places()) {
		t.Errorf("%d sources, %d variables", len(sources), len(variable.Places()))
	}
}

func write(t *testing.T, directory, edition string, record any) {
	t.Helper()
	path := filepath.Join(directory, edition+".mmdb")
	if err := os.WriteFile(path+".new", database10(record), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	write(t, directory, "GeoLite2-City", map[string]any{
		"country": map[string]any{"iso_code": "NL", "names": map[string]any{"en": "Nether\nlands"}}, "location": map[string]any{"latitude": 52.5, "metro_code": uint32(7)},
		"subdivisions": []any{map[string]any{"iso_code": "NH"}},
	})
	write(t, directory, "GeoLite2-ASN", map[string]any{"autonomous_system_number": uint32(64500), "autonomous_system_organization": "Example"})
	d := New(Config{Directory: directory, Editions: []string{"GeoLite2-City", "GeoLite2-ASN"}})
	value := func(addr, name string) string {
		return string(d.AppendPlace(nil, netip.MustParseAddr(addr), name))
	}
	if got := value("10.1.2.3", "city_country_code"); got != "" {
		t.Errorf("off: %q", got)
	}
	d.Configure(&ir.Geo{})
	if p := d.Problems(); len(p) != 0 {
		t.Fatalf("problems %v", p)
	}
	for name, want := range map[string]string{
		"city_country_code": "NL", "city_country_name": "Netherlands", "latitude": "52.50000", "dma_code": "7", "region_code": "NH",
		"subregion_code": "", "city": "", "asn": "64500", "org": "Example", "country_code": "", "nothing": "",
	} {
		if got := value("10.1.2.3", name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := value("::ffff:10.1.2.3", "city_country_code"); got != "NL" {
		t.Errorf("IPv4 in IPv6: %q", got)
	}
	for _, other := range []string{"192.0.2.1", "2001:db8::1"} {
		if got := value(other, "city_country_code"); got != "" {
			t.Errorf("%s: %q", other, got)
		}
	}
	d.Configure(nil)
	if got := value("10.1.2.3", "city_country_code"); got != "" {
		t.Errorf("off again: %q", got)
	}
}

// TestFiles: what cannot be used is a problem, the last good file stays, and a
// new one is found.
func TestFiles(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	d := New(Config{Directory: directory, Editions: []string{"GeoLite2-Country"}})
	code := func() string {
		return string(d.AppendPlace(nil, netip.MustParseAddr("10.1.2.3"), "country_code"))
	}
	d.Configure(&ir.Geo{Reload: ir.Duration(time.Millisecond)})
	if p := d.Problems(); len(p) != 1 || !strings.Contains(p[0].Message, "there is no file") {
		t.Fatalf("problems %v", p)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	record := func(code string) any { return map[string]any{"country": map[string]any{"iso_code": code}} }
	write(t, directory, "GeoLite2-Country", record("FR"))
	eventually(t, "the file is found", func() bool { return code() == "FR" && len(d.Problems()) == 0 })
	if err := os.WriteFile(filepath.Join(directory, "GeoLite2-Country.mmdb"), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the broken file is noticed", func() bool { return len(d.Problems()) == 1 })
	if code() != "FR" {
		t.Errorf("code %q", code())
	}
	write(t, directory, "GeoLite2-Country", record("ESX"))
	eventually(t, "the next file is found", func() bool { return code() == "ESX" && len(d.Problems()) == 0 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("never happened: %s", what)
		}
	}
}

// database10 is a database in which 10.0.0.0/8 has a record and nothing else.
func database10(record any) []byte {
	const nodes, bits = 8, 8
	var tree []byte
	put := func(n uint32) { tree = append(tree, byte(n>>16), byte(n>>8), byte(n)) }
	for i := range uint32(bits) {
		next := i + 1
		if next == bits {
			next = nodes + 16 // the record at the begin of the data
		}
		if 10>>(bits-1-i)&1 == 0 {
			put(next)
			put(nodes)
		} else {
			put(nodes)
			put(next)
		}
	}
	out := append(tree, make([]byte, 16)...)
	out = encode(out, record)
	out = append(out, "\xab\xcd\xefMaxMind.com"...)
	return encode(out, map[string]any{
		"binary_format_major_version": uint16(2), "binary_format_minor_version": uint16(0), "build_epoch": uint64(1), "database_type": "Test",
		"description": map[string]any{"en": "test"}, "ip_version": uint16(4), "languages": []any{"en"}, "node_count": uint32(nodes), "record_size": uint16(24),
	})
}

// encode appends a value in the format of the data section; sizes are small.
func encode(b []byte, v any) []byte {
	number := func(kind byte, n uint64) []byte {
		octets := binary.BigEndian.AppendUint64(nil, n)
		for len(octets) > 0 && octets[0] == 0 {
			octets = octets[1:]
		}
		if kind > 7 {
			return append(append(b, byte(len(octets)), kind-7), octets...)
		}
		return append(append(b, kind<<5|byte(len(octets))), octets...)
	}
	switch v := v.(type) {
	case string:
		if len(v) >= 29 {
			return append(append(b, 2<<5|29, byte(len(v)-29)), v...)
		}
		return append(append(b, 2<<5|byte(len(v))), v...)
	case float64:
		return binary.BigEndian.AppendUint64(append(b, 3<<5|8), math.Float64bits(v))
	case uint16:
		return number(5, uint64(v))
	case uint32:
		return number(6, uint64(v))
	case uint64:
		return number(9, v)
	case []any:
		b = append(b, byte(len(v)), 11-7)
		for _, e := range v {
			b = encode(b, e)
		}
		return b
	case map[string]any:
		b = append(b, 7<<5|byte(len(v)))
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			b = encode(encode(b, k), v[k])
		}
		return b
	}
	panic("no such type")
}
