package snippet

import (
	"strings"
	"testing"

	"daemun/internal/ir"

	"github.com/google/go-cmp/cmp"
)

const someZones = `limit_req zone=later burst=3 delay=9; limit_conn here 2; limit_conn_status 429;
	limit_req_zone $binary_remote_addr zone=ip:10m rate=10r/s; limit_req_zone "$host $http_x_key" zone=key:64k rate=30r/m;
	limit_req_zone $host zone=later:1m rate=1r/m; limit_conn_zone $server_name zone=here:10m;`

// TestReadZones pins rates as nginx rounds them, and that a zone may be used
// before it stands there and in other texts.
func TestReadZones(t *testing.T) {
	t.Parallel()
	outer := Read(HTTP, someZones, Options{})
	if len(outer.Problems) > 0 {
		t.Fatal(outer.Problems)
	}
	ip, key := ir.Zone{Name: "ip", Key: "$binary_remote_addr", Rate: 10000}, ir.Zone{Name: "key", Key: "$host $http_x_key", Rate: 500}
	later, here := ir.Zone{Name: "later", Key: "$host", Rate: 16}, ir.Zone{Name: "here", Key: "$server_name"}
	if d := cmp.Diff([]ir.Zone{ip, key, later, here}, outer.Zones); d != "" {
		t.Errorf("zones: -want +got:\n%s", d)
	}
	b := Read(Location, `limit_req zone=ip; limit_req zone=key burst=5 nodelay; limit_req_status 429;`, Options{Zones: outer.Zones})
	if len(b.Problems) > 0 {
		t.Fatal(b.Problems)
	}
	outside := ir.ZoneLimits{Requests: []ir.RequestLimit{{Zone: later, Burst: 3, AtOnce: 3}}, Running: []ir.RunningLimit{{Zone: here, Most: 2}}, RunningStatus: 429}
	inside := ir.ZoneLimits{Requests: []ir.RequestLimit{{Zone: ip}, {Zone: key, Burst: 5, AtOnce: 5}}, RequestStatus: 429}
	if d := cmp.Diff([]ir.ZoneLimits{outside, inside}, []ir.ZoneLimits{outer.LimitZones, b.LimitZones}); d != "" {
		t.Errorf("limits: -want +got:\n%s", d)
	}
	var p ir.Policies
	ApplyZones(&p, []*Block{outer}, nil, []*Block{b})
	joined := ir.ZoneLimits{Requests: inside.Requests, Running: outside.Running, RequestStatus: 429, RunningStatus: 429}
	if d := cmp.Diff(&joined, p.ZoneLimits); d != "" {
		t.Errorf("levels: -want +got:\n%s", d)
	}
}

// TestAnnotationsLimitWithinSnippets pins that limits of annotations are those
// of the innermost text: they end the inheritance of their own kind.
func TestAnnotationsLimitWithinSnippets(t *testing.T) {
	t.Parallel()
	outer := Read(HTTP, someZones, Options{})
	for _, tt := range []struct {
		limits            *ir.Limits
		requests, running int
	}{
		{nil, 1, 1},
		{&ir.Limits{PerSecond: 1}, 0, 1},
		{&ir.Limits{PerMinute: 1}, 0, 1},
		{&ir.Limits{Connections: 1}, 1, 0},
	} {
		p := ir.Policies{Limits: tt.limits}
		ApplyZones(&p, []*Block{outer}, nil, nil)
		if z := p.ZoneLimits; len(z.Requests) != tt.requests || len(z.Running) != tt.running || z.RunningStatus != 429 {
			t.Errorf("%+v: %+v", tt.limits, z)
		}
	}
	p := ir.Policies{Limits: &ir.Limits{PerSecond: 1}}
	ApplyZones(&p, []*Block{outer})
	ApplyInnerZones(&p, Read(Location, "limit_req_status 420;", Options{}))
	if z := p.ZoneLimits; len(z.Running) != 1 || z.RequestStatus != 420 || z.RunningStatus != 429 {
		t.Errorf("within a route: %+v", z)
	}
	p = ir.Policies{}
	same := Read(HTTP, `limit_req_zone $host zone=a:1m rate=1r/s; limit_req zone=a;`, Options{})
	ApplyZones(&p, []*Block{same, same})
	if len(p.ZoneLimits.Requests) != 1 {
		t.Errorf("two texts of one level count a request %d times in one zone", len(p.ZoneLimits.Requests))
	}
}

// TestZoneProblems pins that what cannot be a limit is none, and says why.
func TestZoneProblems(t *testing.T) {
	t.Parallel()
	zones := Read(HTTP, someZones, Options{}).Zones
	for _, tt := range []struct {
		in         Context
		text, want string
	}{
		{HTTP, "limit_req_zone $host zone=a rate=1r/s;", "its second argument is no zone"},
		{HTTP, "limit_req_zone $host zone=a:x rate=1r/s;", "its second argument is no zone"},
		{HTTP, "limit_req_zone $host zone=a:1m 1r/s;", "its third argument is no rate"},
		{HTTP, "limit_req_zone $host zone=a:1m rate=0r/s;", "its third argument is no rate"},
		{HTTP, "limit_req_zone $host zone=a:1m rate=-1r/s;", "its third argument is no rate"},
		{HTTP, "limit_req_zone $host zone=a:1m rate=1r/h;", "its third argument is no rate"},
		{HTTP, "limit_req_zone $host zone=a:1m rate=99999999999999999999r/s;", "its third argument is no rate"},
		{HTTP, "limit_req_zone $nobody zone=a:1m rate=1r/s;", "there is no variable $nobody"},
		{HTTP, "limit_conn_zone $host zone=a:1m; limit_req_zone $host zone=a:1m rate=1r/s;", "there is another zone a"},
		{HTTP, "limit_conn_zone $host;", "it has the wrong number of arguments"},
		{Location, "limit_req_zone $host zone=a:1m rate=1r/s;", "write it into the ConfigMap key http-snippet"},
		{Location, "limit_req zone=nowhere;", `there is no zone "nowhere"`},
		{Location, "limit_req zone=here;", `there is no zone "here"`},
		{Location, "limit_conn ip 1;", `there is no zone "ip"`},
		{Location, "limit_req burst=1;", "it needs zone=name"},
		{Location, "limit_req zone=ip burst=-1;", "burst=-1 is none of"},
		{Location, "limit_req zone=ip burst=1 delay=x;", "delay=x is none of"},
		{Location, "limit_req zone=ip later;", "later is none of"},
		{Location, "limit_req zone=ip; limit_req zone=ip burst=1;", "there is another one with zone ip"},
		{Location, "limit_conn here 0;", "its second argument is no number from 1 to 65535"},
		{Location, "limit_conn here 65536;", "its second argument is no number from 1 to 65535"},
		{Location, "limit_conn here 1; limit_conn here 2;", "there is another one with zone here"},
		{Location, "limit_req_status 200;", "its argument is no status from 400 to 599"},
		{Location, "if ($host) { limit_req zone=ip; }", "it is not allowed within an if"},
	} {
		b := Read(tt.in, tt.text, Options{Zones: zones})
		found := false
		for _, p := range b.Problems {
			found = found || strings.Contains(p.Message, tt.want)
		}
		if !found || !b.Broken() {
			t.Errorf("%s: %v, want %s", tt.text, b.Problems, tt.want)
		}
	}
}
