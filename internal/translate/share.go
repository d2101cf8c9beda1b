package translate

import (
	"maps"
	"slices"
	"strings"

	"daemun/internal/annotation"
)

// maxShared bounds the distinct sets of annotations that are remembered.
const maxShared = 4096

// shareValues lets Ingresses with the same annotations have the same values:
// in a cluster most are alike, and values are large. Those that were made of
// other objects, too, stay the Ingress's own. It comes before compileTLS, whose
// Secrets do not count; from then on values are not written.
func (c *compilation) shareValues() {
	v := c.values
	if len(c.secrets) > 0 || len(c.configMaps) > 0 || v.BasicAuth != nil || v.ExternalAuth != nil || v.Mirror != nil || v.FastCGI != nil || v.ResponseFields != nil {
		return
	}
	prefix := c.t.options.AnnotationsPrefix + "/"
	var key strings.Builder
	for _, name := range slices.Sorted(maps.Keys(c.used.Annotations)) {
		if strings.HasPrefix(name, prefix) {
			key.WriteString(name)
			key.WriteByte(0)
			key.WriteString(c.used.Annotations[name])
			key.WriteByte(0)
		}
	}
	if known := c.t.shared[key.String()]; known != nil {
		c.values = known
		return
	}
	if len(c.t.shared) >= maxShared {
		c.t.shared = map[string]*annotation.Values{}
	}
	// A copy: what else the parser returned is then free to go.
	own := *c.values
	c.values = &own
	c.t.shared[key.String()] = c.values
}
