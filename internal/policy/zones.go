package policy

import (
	"time"

	"daemun/internal/ir"
	"daemun/internal/variable"
)

// Zones are limits whose counts belong to texts of requests (limit_req and
// limit_conn of snippets). Routes with the same zone share its counts.
type Zones struct {
	// RequestStatus and RunningStatus answer requests over a limit, of an
	// annotation too; 0 is that of the settings.
	RequestStatus, RunningStatus int

	rates   []rateZone
	running []runningZone
}

type rateZone struct {
	zone
	rate   rate
	atOnce int64 // what of the burst does not wait, in thousandths of a request
}

type runningZone struct {
	zone
	most int32
}

type zone struct {
	key      *variable.Text
	counters *counters
}

func newZones(from *ir.ZoneLimits, s *State) *Zones {
	if from == nil {
		return nil
	}
	z := &Zones{RequestStatus: from.RequestStatus, RunningStatus: from.RunningStatus}
	for _, l := range from.Requests {
		z.rates = append(z.rates, rateZone{newZone(&l.Zone, s), rate{leak: l.Zone.Rate, burst: l.Burst * 1000}, l.AtOnce * 1000})
	}
	for _, l := range from.Running {
		z.running = append(z.running, runningZone{newZone(&l.Zone, s), int32(l.Most)})
	}
	return z
}

// newZone finds the counts of a zone again as long as it counts by the same
// text. Names of Ingresses, which have counts as well, hold no blanks.
func newZone(from *ir.Zone, s *State) zone {
	key, _ := variable.ParseOpen(from.Key)
	return zone{key, s.countersOf("zone " + from.Name + " " + from.Key)}
}

// Counted is what the zones have counted of a request. The zero value is
// nothing.
type Counted struct {
	// Text is scratch.
	Text    []byte
	filled  []filled
	running []Running
}

// filled is a request that was put into a bucket.
type filled struct {
	shard         *shard
	client        *client
	before, after bucket
}

// Ask puts a request into the rates, into all of them or none, and says how long
// it has to wait until it may go on. ok is false when it is beyond one.
func (z *Zones) Ask(c *Counted, from variable.Source, now time.Time) (wait time.Duration, ok bool) {
	c.filled = c.filled[:0]
	for i := range z.rates {
		r := &z.rates[i]
		if c.Text = r.key.Append(c.Text[:0], from); len(c.Text) == 0 {
			continue
		}
		f, ok := r.fill(c.Text, now)
		if !ok {
			c.takeBack()
			return 0, false
		}
		c.filled = append(c.filled, f)
		wait = max(wait, r.wait(f.after.excess))
	}
	return wait, true
}

// fill puts a request into the bucket of a text.
func (r *rateZone) fill(key []byte, now time.Time) (f filled, ok bool) {
	addr := r.counters.addrOf(key)
	f.shard = r.counters.shardOf(addr)
	f.shard.mu.Lock()
	defer f.shard.mu.Unlock()
	f.client = f.shard.of(addr)
	f.before = f.client.second
	if f.after, ok = r.rate.fill(f.before, f.shard.since(now)); ok {
		f.client.second = f.after
	}
	return f, ok
}

// wait is how long the rate needs to come to a request that is so far ahead.
func (r *rateZone) wait(excess int64) time.Duration {
	return time.Duration(max(0, excess-r.atOnce)*1000/r.rate.leak) * time.Millisecond
}

// takeBack undoes what Ask has counted of a request that another rate refuses.
func (c *Counted) takeBack() {
	for i := range c.filled {
		f := &c.filled[i]
		f.shard.mu.Lock()
		if b := &f.client.second; *b == f.after {
			*b = f.before
		} else { // others came meanwhile
			b.excess = max(0, b.excess-1000)
		}
		f.shard.mu.Unlock()
	}
	c.filled = c.filled[:0]
}

// Run counts a running request, unless there are too many. When it returns true
// Leave must be called when the request has ended.
func (z *Zones) Run(c *Counted, from variable.Source) bool {
	for i := range z.running {
		r := &z.running[i]
		if c.Text = r.key.Append(c.Text[:0], from); len(c.Text) == 0 {
			continue
		}
		running, ok := r.enter(c.Text)
		if !ok {
			c.Leave()
			return false
		}
		c.running = append(c.running, running)
	}
	return true
}

func (r *runningZone) enter(key []byte) (Running, bool) {
	addr := r.counters.addrOf(key)
	s := r.counters.shardOf(addr)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.of(addr)
	if c.running >= r.most {
		return Running{}, false
	}
	c.running++
	return Running{s, c}, true
}

// Leave ends the count of a running request. It may be called more than once.
func (c *Counted) Leave() {
	for _, r := range c.running {
		r.Leave()
	}
	clear(c.running)
	clear(c.filled[:cap(c.filled)]) // they would keep the counts of old tables
	c.running, c.filled = c.running[:0], c.filled[:0]
}
