package tap

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// Filter is which requests a watcher wants to see. Empty fields want all.
type Filter struct {
	// Host is the name a client asked for, in lower case, without port.
	Host string
	// Path is what the path begins with.
	Path string
	// Route is host and path of a route as written: "shop.example/cart".
	Route string
	// From and To bound the status, both included; To 0 is no bound.
	From, To int
	Method   string
}

// ParseFilter reads the parameters host, path, status, route and method. A
// status is a number or a class such as "5xx". The error says what is wrong.
func ParseFilter(get func(name string) string) (Filter, error) {
	f := Filter{
		Host: strings.TrimSuffix(strings.ToLower(strings.TrimSpace(get("host"))), "."), Path: strings.TrimSpace(get("path")),
		Route: strings.TrimSpace(get("route")), Method: strings.ToUpper(strings.TrimSpace(get("method"))),
	}
	if f.Path != "" && f.Path[0] != '/' {
		return Filter{}, fmt.Errorf("path %q: want the beginning of a path, such as /cart", f.Path)
	}
	status := strings.ToLower(strings.TrimSpace(get("status")))
	if status == "" {
		return f, nil
	}
	if class, ok := strings.CutSuffix(status, "xx"); ok && len(class) == 1 && class[0] >= '1' && class[0] <= '5' {
		f.From = int(class[0]-'0') * 100
		f.To = f.From + 99
		return f, nil
	}
	n, err := strconv.Atoi(status)
	if err != nil || len(status) != 3 || n < 100 {
		return Filter{}, fmt.Errorf("status %q: want a number such as 404, or a class such as 5xx", status)
	}
	f.From, f.To = n, n
	return f, nil
}

// matches neither allocates nor keeps anything of r.
func (f *Filter) matches(r *Request) bool {
	switch {
	case f.Host != "" && string(r.Host) != f.Host:
		return false
	case f.Method != "" && string(r.Method) != f.Method:
		return false
	case f.To != 0 && (r.Status < f.From || r.Status > f.To):
		return false
	case f.Path != "" && !(len(r.Path) >= len(f.Path) && bytes.Equal(r.Path[:len(f.Path)], []byte(f.Path))):
		return false
	case f.Route != "" && !(len(f.Route) == len(r.RouteHost)+len(r.RoutePath) &&
		f.Route[:len(r.RouteHost)] == r.RouteHost && f.Route[len(r.RouteHost):] == r.RoutePath):
		return false
	}
	return true
}
