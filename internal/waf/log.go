package waf

import (
	"sync/atomic"
	"time"

	"github.com/corazawaf/coraza/v3/types"
)

// maxSayings is how many findings are logged in a second: clients decide how
// many there are.
const maxSayings = 100

// sayings counts the findings of the present second.
type sayings struct {
	second atomic.Int64
	count  atomic.Int64
}

// may reports whether another finding may be logged, and how many of the last
// second were not.
func (s *sayings) may(now time.Time) (ok bool, missed int64) {
	second := now.Unix()
	if old := s.second.Load(); old != second && s.second.CompareAndSwap(old, second) {
		missed = max(0, s.count.Swap(0)-maxSayings)
	}
	return s.count.Add(1) <= maxSayings, missed
}

// matched logs what a rule has found.
func (s *Store) matched(m types.MatchedRule) {
	ok, missed := s.said.may(time.Now())
	if missed > 0 {
		s.logger.Warn("the firewall has found more than it logs", "left out", missed)
	}
	if !ok {
		return
	}
	rule := m.Rule()
	s.logger.Warn("firewall rule matches", "rule", rule.ID(), "message", short(m.Message()), "data", short(m.Data()), "severity", rule.Severity().String(),
		"disruptive", m.Disruptive(), "client", m.ClientIPAddress(), "uri", short(m.URI()), "transaction", m.TransactionID())
}

// short cuts what clients have made long.
func short(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
