package daemon

import "context"

// ZoneConfig says whether the hints of EndpointSlices are used
// (--enable-topology-aware-routing).
type ZoneConfig struct {
	Hints bool
	// Node is the name of the node that this Daemun is on; empty is that of
	// its Pod.
	Node string
}

// ownZone is the zone whose hints count; empty ignores hints. A Pod stays on
// its node, so it is looked up once. That it cannot be known is no reason not
// to serve.
func (d *controller) ownZone(ctx context.Context) string {
	if !d.Zone.Hints {
		return ""
	}
	zone, err := d.cluster.Zone(ctx, d.Zone.Node, d.Self)
	switch {
	case err == nil:
		d.logger.Info("endpoints are used by the hints for this zone", "zone", zone)
	case ctx.Err() == nil:
		d.logger.Warn("--enable-topology-aware-routing: the zone of this Daemun is not known, so the endpoints of all zones are used", "err", err)
	}
	return zone
}
