// Package diff says what two configurations serve differently.
//
// It turns two configurations, in the JSON form of the IR, into a list of
// changes by meaning: host, path and kind of match on one side, backend and
// policies with their values on the other. Who wrote a rule, and where, is not
// compared. It is pure; what the IR does not print (passwords, keys) it cannot
// see, except for the fingerprints of certificates.
package diff

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Kind is how something changed.
type Kind string

// The kinds.
const (
	Added   Kind = "+"
	Removed Kind = "-"
	Changed Kind = "~"
)

// Change is one URL, or what is above URLs, that is served differently.
type Change struct {
	Kind Kind `json:"kind"`
	// Host is "*" for the catch-all block, and empty for settings of all hosts.
	Host string `json:"host,omitempty"`
	// Path and Match are empty for what concerns a whole host.
	Path  string `json:"path,omitempty"`
	Match string `json:"match,omitempty"`
	// Goes is where requests go: the backend, or what answers instead.
	Goes string `json:"goes,omitempty"`
	// Values differ, for Changed only, by name.
	Values []Value `json:"values,omitempty"`
}

// Value is a setting before and after; empty is absent.
type Value struct {
	Name   string `json:"name"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// config is the part of ir.Config that is compared.
type config struct {
	Hosts              []map[string]any `json:"hosts"`
	Backends           []map[string]any `json:"backends"`
	Certificates       []map[string]any `json:"certificates"`
	DefaultCertificate string           `json:"defaultCertificate"`
	Settings           map[string]any   `json:"settings"`
}

// place is what a value is compared at.
type place struct{ host, path, match string }

// values are the settings of a place.
type values map[string]string

// Configs compares two configurations, each the JSON of an ir.Config. The
// changes are sorted by host, path and match.
func Configs(before, after json.RawMessage) ([]Change, error) {
	old, err := read(before)
	if err != nil {
		return nil, err
	}
	now, err := read(after)
	if err != nil {
		return nil, err
	}
	changes := []Change{}
	places := maps.Clone(old)
	maps.Copy(places, now)
	for _, p := range slices.SortedFunc(maps.Keys(places), place.compare) {
		was, is := old[p], now[p]
		c := Change{Host: p.host, Path: p.path, Match: p.match}
		switch {
		case was == nil:
			c.Kind, c.Goes = Added, is.goes()
		case is == nil:
			c.Kind, c.Goes = Removed, was.goes()
		default:
			c.Kind, c.Goes, c.Values = Changed, is.goes(), between(was, is)
			if len(c.Values) == 0 {
				continue
			}
		}
		changes = append(changes, c)
	}
	return withoutNoise(changes), nil
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.host, q.host), cmp.Compare(p.path, q.path), cmp.Compare(p.match, q.match))
}

// withoutNoise drops the rest of a host that came or went: its paths say it.
func withoutNoise(changes []Change) []Change {
	routes := map[string]int{}
	for _, c := range changes {
		if c.Path != "" && c.Kind != Changed {
			routes[string(c.Kind)+c.Host]++
		}
	}
	return slices.DeleteFunc(changes, func(c Change) bool {
		others := routes[string(c.Kind)+c.Host]
		return c.Kind != Changed && (c.Path == "" && others > 0 || c.Path == "/" && c.Goes == notFound && others > 1)
	})
}

const notFound = "404 page"

// goal is the name of what goes says, among the values of a route.
const goal = "goes to"

// goes says where requests of a place go, "" for what is no route.
func (v values) goes() string { return v[goal] }

// destination is what goes says.
func (v values) destination() string {
	switch {
	case v["redirect.code"] != "":
		return "redirect " + v["redirect.code"] + " " + v["redirect.location"]
	case v["denied"] != "":
		return "answer " + v["denied"]
	case v["backend"] != "":
		return v["backend"]
	}
	return notFound
}

func between(was, is values) []Value {
	names := maps.Clone(was)
	maps.Copy(names, is)
	var list []Value
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if was[name] != is[name] {
			list = append(list, Value{name, was[name], is[name]})
		}
	}
	return list
}

// read takes a configuration apart.
func read(raw json.RawMessage) (map[place]values, error) {
	var c config
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	backends, certificates := byID(c.Backends), byID(c.Certificates)
	places := map[place]values{{}: flat(c.Settings)}
	for _, h := range c.Hosts {
		host := cmp.Or(text(h["name"]), "*")
		routes, _ := h["routes"].([]any)
		own := maps.Clone(h)
		for _, name := range []string{"name", "owner", "routes"} {
			delete(own, name)
		}
		v := flat(own)
		list, _ := h["certificates"].([]any)
		if len(list) == 0 && c.DefaultCertificate != "" {
			list = []any{c.DefaultCertificate}
		}
		for i, id := range list {
			v["certificate "+text(id)] = cmp.Or(text(certificates[text(id)]["fingerprint"]), strconv.Itoa(i))
		}
		places[place{host: host}] = v
		for i, r := range routes {
			if route, ok := r.(map[string]any); ok {
				at := place{host, text(route["pattern"]), text(route["match"])}
				if places[at] == nil { // a second one with the same pattern never wins
					places[at] = routeValues(route, backends)
				}
				if h["regexMode"] == true {
					places[at]["place in the order of expressions"] = strconv.Itoa(i + 1)
				}
			}
		}
	}
	return places, nil
}

// routeValues are what decides about requests of a route, its backend's
// settings among them.
func routeValues(route map[string]any, backends map[string]map[string]any) values {
	own := maps.Clone(route)
	for _, name := range []string{"path", "pathType", "pattern", "ingress", "implicit", "service", "servicePort"} {
		delete(own, name)
	}
	v := flat(own)
	v[goal] = v.destination()
	for _, name := range []string{"backend", "denied", "match", "redirect.code", "redirect.location", "limits.id"} {
		delete(v, name) // said by the goal and the place; the last one is whose counters they are
	}
	backend := maps.Clone(backends[text(route["backend"])])
	for _, name := range []string{"id", "namespace", "service", "port"} {
		delete(backend, name)
	}
	for name, value := range flat(backend) {
		v["backend "+name] = value
	}
	return v
}

func byID(list []map[string]any) map[string]map[string]any {
	m := map[string]map[string]any{}
	for _, o := range list {
		m[text(o["id"])] = o
	}
	return m
}

// flat turns nested objects into names with dots.
func flat(o map[string]any) values {
	v := values{}
	for name, value := range o {
		inner, ok := value.(map[string]any)
		if !ok {
			v[name] = text(value)
			continue
		}
		if len(inner) == 0 {
			v[name] = "set"
		}
		for sub, value := range flat(inner) {
			v[name+"."+sub] = value
		}
	}
	return v
}

// text prints a value on one line: texts as they are, others as JSON.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
