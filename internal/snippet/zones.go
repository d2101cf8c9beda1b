package snippet

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"daemun/internal/ir"
)

// Bounds of zones, and of limits in one text.
const (
	maxZones  = 100
	maxLimits = 20
	// maxRate is in requests per second, maxBurst in requests.
	maxRate  = 10_000_000
	maxBurst = 1_000_000_000
	// maxRunning is nginx's.
	maxRunning = 65535
)

// makesZone says that a directive makes a zone. Such are read first, because a
// zone may be used before it stands there.
func makesZone(d *directive) bool {
	return d.name == "limit_req_zone" || d.name == "limit_conn_zone"
}

var zoneWritten = regexp.MustCompile(`^zone=([^:]+):(\d{1,9}[kKmM]?)$`)

// zone reads the key and the name of a zone.
func (r *reader) zone(d *directive) (z ir.Zone, wrong string) {
	m := zoneWritten.FindStringSubmatch(d.args[1].text)
	if m == nil {
		return z, "its second argument is no zone such as zone=name:10m"
	}
	z = ir.Zone{Name: m[1], Key: r.text(d, d.args[0])}
	switch {
	case slices.ContainsFunc(r.Zones, func(have ir.Zone) bool { return have.Name == z.Name }):
		return z, "there is another zone " + z.Name
	case len(r.Zones) == maxZones:
		return z, "there are too many zones (100)"
	}
	return z, ""
}

func readRequestZone(r *reader, d *directive) string {
	z, wrong := r.zone(d)
	if wrong != "" {
		return wrong
	}
	var ok bool
	if z.Rate, ok = rate(d.args[2].text); !ok {
		return "its third argument is no rate such as rate=10r/s or rate=30r/m"
	}
	r.Zones = append(r.Zones, z)
	return ""
}

func readRunningZone(r *reader, d *directive) string {
	z, wrong := r.zone(d)
	if wrong == "" {
		r.Zones = append(r.Zones, z)
	}
	return wrong
}

// rate reads "rate=10r/s" in thousandths of a request per second, rounded as
// nginx does.
func rate(s string) (n int64, ok bool) {
	s, ok = strings.CutPrefix(s, "rate=")
	number, perSecond := strings.CutSuffix(s, "r/s")
	if !perSecond {
		var perMinute bool
		if number, perMinute = strings.CutSuffix(s, "r/m"); !perMinute {
			return 0, false
		}
	}
	n, written := count(number, maxRate)
	if !perSecond {
		return n * 1000 / 60, ok && written
	}
	return n * 1000, ok && written
}

// count reads a number from 1 to most.
func count(s string, most int64) (n int64, ok bool) {
	if strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && 0 < n && n <= most
}

// used finds a zone, of this text or of another one.
func (r *reader) used(d *directive, name string, ofRates bool) (z ir.Zone, found bool) {
	for _, z := range slices.Concat(r.root().Zones, r.o.Zones) {
		if z.Name == name && (z.Rate > 0) == ofRates {
			return z, true
		}
	}
	root := r.root()
	root.Problems = append(root.Problems, Problem{
		Place: d.at, Directive: d.name, Variable: true,
		Message: "there is no zone " + strconv.Quote(name) + " that it could count in: make it with " + d.name + "_zone in the ConfigMap key http-snippet",
	})
	return z, false
}

// readRequestLimit reads limit_req.
func readRequestLimit(r *reader, d *directive) string {
	var l ir.RequestLimit
	name, atOnce, nodelay := "", int64(0), false
	for _, w := range d.args {
		key, value, _ := strings.Cut(w.text, "=")
		ok := value != ""
		switch {
		case key == "zone":
			name = value
		case key == "burst":
			l.Burst, ok = count(value, maxBurst)
		case key == "delay":
			atOnce, ok = count(value, maxBurst)
		case w.text == "nodelay":
			nodelay, ok = true, true
		default:
			ok = false
		}
		if !ok {
			return w.text + " is none of zone=name, burst=number, delay=number and nodelay"
		}
	}
	if l.AtOnce = min(atOnce, l.Burst); nodelay {
		l.AtOnce = l.Burst
	}
	switch {
	case name == "":
		return "it needs zone=name"
	case len(r.LimitZones.Requests) == maxLimits:
		return "there are too many of them (20)"
	case slices.ContainsFunc(r.LimitZones.Requests, func(have ir.RequestLimit) bool { return have.Zone.Name == name }):
		return "there is another one with zone " + name
	}
	var found bool
	if l.Zone, found = r.used(d, name, true); found {
		r.LimitZones.Requests = append(r.LimitZones.Requests, l)
	}
	return ""
}

// readRunningLimit reads limit_conn.
func readRunningLimit(r *reader, d *directive) string {
	name := d.args[0].text
	most, ok := count(d.args[1].text, maxRunning)
	switch {
	case !ok:
		return "its second argument is no number from 1 to 65535"
	case len(r.LimitZones.Running) == maxLimits:
		return "there are too many of them (20)"
	case slices.ContainsFunc(r.LimitZones.Running, func(have ir.RunningLimit) bool { return have.Zone.Name == name }):
		return "there is another one with zone " + name
	}
	if z, found := r.used(d, name, false); found {
		r.LimitZones.Running = append(r.LimitZones.Running, ir.RunningLimit{Zone: z, Most: int(most)})
	}
	return ""
}

func readRequestStatus(r *reader, d *directive) string {
	return limitStatus(d, &r.LimitZones.RequestStatus)
}

func readRunningStatus(r *reader, d *directive) string {
	return limitStatus(d, &r.LimitZones.RunningStatus)
}

func limitStatus(d *directive, to *int) string {
	code, ok := status(d.args[0].text)
	if !ok || code < 400 {
		return "its argument is no status from 400 to 599"
	}
	*to = code
	return ""
}

// ApplyZones gives a route the limits of levels of texts, the outermost first.
// As in nginx the rates are those of the innermost level that has any, and so
// are the bounds of what runs; limits of annotations are of that level.
func ApplyZones(p *ir.Policies, levels ...[]*Block) {
	var made ir.ZoneLimits
	for i, level := range levels {
		var own ir.ZoneLimits
		for _, b := range level {
			addLimits(&own, &b.LimitZones)
		}
		innermost := i == len(levels)-1
		if len(own.Requests) > 0 || innermost && p.Limits != nil && p.Limits.PerSecond+p.Limits.PerMinute > 0 {
			made.Requests = own.Requests
		}
		if len(own.Running) > 0 || innermost && p.Limits != nil && p.Limits.Connections > 0 {
			made.Running = own.Running
		}
		inheritStatuses(&own, &made)
		made.RequestStatus, made.RunningStatus = own.RequestStatus, own.RunningStatus
	}
	setZones(p, &made)
}

// ApplyInnerZones gives a location within a route the limits of its own text in
// place of those of the route.
func ApplyInnerZones(p *ir.Policies, b *Block) {
	made := b.LimitZones
	if outer := p.ZoneLimits; outer != nil {
		inheritStatuses(&made, outer)
		if len(made.Requests) == 0 {
			made.Requests = outer.Requests
		}
		if len(made.Running) == 0 {
			made.Running = outer.Running
		}
	}
	setZones(p, &made)
}

func inheritStatuses(inner, outer *ir.ZoneLimits) {
	inner.RequestStatus = cmp.Or(inner.RequestStatus, outer.RequestStatus)
	inner.RunningStatus = cmp.Or(inner.RunningStatus, outer.RunningStatus)
}

func setZones(p *ir.Policies, made *ir.ZoneLimits) {
	if len(made.Requests)+len(made.Running)+made.RequestStatus+made.RunningStatus > 0 {
		p.ZoneLimits = made
	}
}

// addLimits adds those of another text of the same level. A zone counts a
// request once: the first limit with it holds.
func addLimits(to, from *ir.ZoneLimits) {
	for _, l := range from.Requests {
		if !slices.ContainsFunc(to.Requests, func(have ir.RequestLimit) bool { return have.Zone == l.Zone }) {
			to.Requests = append(to.Requests, l)
		}
	}
	for _, l := range from.Running {
		if !slices.ContainsFunc(to.Running, func(have ir.RunningLimit) bool { return have.Zone == l.Zone }) {
			to.Running = append(to.Running, l)
		}
	}
	inheritStatuses(to, from)
}
