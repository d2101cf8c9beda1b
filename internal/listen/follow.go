package listen

import (
	"maps"
	"reflect"
	"slices"

	"daemun/internal/ir"
)

// follow returns an index for a configuration that differs from the last one
// in little: x itself, as it were, or with a few names more or less. It reports
// false when only building it anew is sure to be right.
func (x *index) follow(last, cfg *ir.Config) (*index, bool) {
	if last == nil || last.DefaultCertificate != cfg.DefaultCertificate ||
		!reflect.DeepEqual(last.Settings, cfg.Settings) || !slices.Equal(last.Certificates, cfg.Certificates) {
		return nil, false
	}
	next, owned, ok := *x, false, true
	none := map[ir.CertificateID][]string{}
	ir.DiffHosts(last.Hosts, cfg.Hosts, func(old, now *ir.Host) {
		if !ok || sameTLS(old, now) {
			return
		}
		if ok = plainTLS(old) && plainTLS(now) && !x.aliased; !ok {
			return
		}
		if !owned {
			owned, next.exact, next.wildcard = true, maps.Clone(x.exact), maps.Clone(x.wildcard)
		}
		if now != nil {
			next.addHost(now, none)
			return
		}
		m, name := next.mapOf(old.Name)
		delete(m, name)
	})
	return &next, ok
}

// sameTLS reports whether two hosts are the same to a handshake.
func sameTLS(a, b *ir.Host) bool {
	return a != nil && b != nil && slices.Equal(a.Certificates, b.Certificates) &&
		slices.Equal(a.Aliases, b.Aliases) && slices.Equal(a.Suites, b.Suites) && reflect.DeepEqual(a.ClientAuth, b.ClientAuth)
}

// plainTLS reports whether a host has no say in more than its own name.
func plainTLS(h *ir.Host) bool {
	return h == nil || h.Name != "" && len(h.Aliases) == 0 && h.ClientAuth == nil && len(h.Suites) == 0
}
