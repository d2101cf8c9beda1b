package snippet

import (
	"fmt"
	"slices"
	"strings"
)

// row is one directive.
type row struct {
	name string
	// in are the contexts in which it is read; in those of shadowed it is
	// allowed by nginx, but routes have their own value.
	in, shadowed Context
	block        bool
	// least and most are the numbers of arguments; most -1 is any.
	least, most int
	usage       string
	doc         string
	// read returns what is wrong, "" if nothing is. It is nil for what is not
	// supported; instead says what to use, or with tuning why nothing is lost.
	// What is lost guards nothing.
	read         func(r *reader, d *directive) (wrong string)
	instead      string
	tuning, lost bool
}

const (
	anyLocation  = Location | ifLocation | innerLocation
	everyContext = anyLocation | Server | HTTP
	rewriting    = Location | Server | Auth | ifLocation | ifServer | innerLocation
)

// rows is the table. It is never written.
func rows() []row {
	return slices.Concat(supported(), unsupported(), lost(), tuning())
}

func supported() []row {
	return []row{
		{name: "set", in: rewriting, least: 2, most: 2, usage: "set $name value", doc: "Gives a variable a value.", read: readSet},
		{name: "if", in: Location | Server | Auth | innerLocation, block: true, least: 1, most: -1, usage: "if ($variable = text) { … }", doc: "Comparisons =, !=, ~, ~*, !~, !~* and a variable alone; not -f, -d, -e, -x.", read: readIf},
		{name: "return", in: rewriting, least: 1, most: 2, usage: "return code [text or URL]", doc: "Answers: a status, a body, a redirect.", read: readReturn},
		{name: "rewrite", in: rewriting &^ Auth, least: 2, most: 3, usage: "rewrite expression target [last|break|redirect|permanent]", doc: "Replaces the path.", read: readRewrite},
		{name: "break", in: rewriting, usage: "break", doc: "Ends rewriting.", read: readBreak},

		{name: "add_header", in: everyContext, least: 2, most: 3, usage: "add_header name value [always]", doc: "Adds a field to responses; those of the innermost text count.", read: readAddHeader},
		{name: "more_set_headers", in: everyContext, least: 1, most: -1, usage: "more_set_headers [-s statuses] [-t types] 'Name: value'", doc: "Sets fields of responses.", read: readMoreSet},
		{name: "more_clear_headers", in: everyContext, least: 1, most: -1, usage: "more_clear_headers [-s statuses] [-t types] Name", doc: "Removes fields of responses; * at the end of a name is anything.", read: readMoreClear},
		{name: "more_set_input_headers", in: Location | ifLocation | Server | HTTP, least: 1, most: -1, usage: "more_set_input_headers [-r] 'Name: value'", doc: "Sets fields of requests.", read: readMoreSetInput},
		{name: "more_clear_input_headers", in: Location | ifLocation | Server | HTTP, least: 1, most: -1, usage: "more_clear_input_headers Name", doc: "Removes fields of requests.", read: readMoreClearInput},
		{name: "expires", in: everyContext, least: 1, most: 1, usage: "expires time", doc: "Sets Expires and Cache-Control: a time, epoch, max or off.", read: readExpires},
		{name: "proxy_set_header", in: Location | Auth, shadowed: Server | HTTP, least: 2, most: 2, usage: "proxy_set_header name value", doc: "Sets a field for the backend; without a value it is not sent.", read: readProxySetHeader},
		{name: "grpc_set_header", in: Location, shadowed: Server | HTTP, least: 2, most: 2, usage: "grpc_set_header name value", doc: "The same for gRPC.", read: readProxySetHeader},
		{name: "proxy_hide_header", in: Location | Server | HTTP, least: 1, most: 1, usage: "proxy_hide_header name", doc: "Keeps a field of the backend from clients.", read: readHide},
		{name: "proxy_pass_header", in: Location | Server | HTTP | Auth, least: 1, most: 1, usage: "proxy_pass_header name", doc: "Undoes proxy_hide_header and hide-headers.", read: readPass},

		{name: "allow", in: Location | Server | HTTP | innerLocation | limitExcept, least: 1, most: 1, usage: "allow address, network or all", doc: "Lets clients pass; the first match of allow and deny counts.", read: readAllow},
		{name: "deny", in: Location | Server | HTTP | innerLocation | limitExcept, least: 1, most: 1, usage: "deny address, network or all", doc: "Refuses clients with 403.", read: readDeny},
		{name: "satisfy", in: Location | innerLocation, shadowed: Server | HTTP, least: 1, most: 1, usage: "satisfy any", doc: "any: one of the guards is enough; all: each counts.", read: readSatisfy},
		{name: "limit_except", in: Location, block: true, least: 1, most: -1, usage: "limit_except GET { deny all; }", doc: "allow and deny for all other methods.", read: readLimitExcept},
		{name: "auth_basic", in: Location | innerLocation, shadowed: Server | HTTP, least: 1, most: 1, usage: "auth_basic off", doc: "off: no basic authentication. For another value use `auth-type`.", read: readAuthBasic},
		{name: "auth_request", in: Location | innerLocation, shadowed: Server | HTTP, least: 1, most: 1, usage: "auth_request off", doc: "off: no service is asked. For another value use `auth-url`.", read: readAuthRequest},
		{name: "auth_request_set", in: Location | Auth, shadowed: Server | HTTP, least: 2, most: 2, usage: "auth_request_set $name text", doc: "Gives a variable a value when the service of `auth-url` has answered: $upstream_http_…, $upstream_cookie_…, $upstream_status and $upstream_addr are those of its answer.", read: readAuthRequestSet},

		{name: "location", in: Server | Location, block: true, least: 1, most: 2, usage: "location [=|^~|~|~*] path { … }", doc: "A path that is answered without a backend; within a route, with its guards. @name, on the host only, is for error_page.", read: readLocation},
		{name: "error_page", in: Location | Server | innerLocation, least: 2, most: -1, usage: "error_page status … [=[status]] path, @name or URL", doc: "Answers as the route of a path of this host, or as a location @name, instead of a page of Daemun; or redirects to a URL.", read: readErrorPage},
		{name: "recursive_error_pages", in: Location | Server | innerLocation | HTTP, least: 1, most: 1, usage: "recursive_error_pages on", doc: "on: error_page holds for what an error page has led to as well.", read: readRecursivePages},
		{name: "internal", in: innerLocation, usage: "internal", doc: "404 for requests that no error_page and no rewrite has led here.", read: readInternal},
		{name: "default_type", in: anyLocation | Server | HTTP, least: 1, most: 1, usage: "default_type text/plain", doc: "Media type of a body that return gives.", read: func(*reader, *directive) string { return "" }},

		{name: "map", in: HTTP, block: true, least: 2, most: 2, usage: "map text $name { … }", doc: "A variable whose value another text decides: lines of a text or ~expression and a value, default, hostnames, volatile.", read: readMap},
		{name: "geo", in: HTTP, block: true, least: 1, most: 2, usage: "geo [$address] $name { … }", doc: "A variable whose value the network of the client decides: lines of a network and a value, default, delete; ranges.", read: readGeo},

		{name: "split_clients", in: HTTP, block: true, least: 2, most: 2, usage: "split_clients text $name { … }", doc: "A variable that has each of its values for a share of the texts: lines of a share and a value, * for the rest. The same text always has the same value, and that of nginx.", read: readSplit},
		{name: "access_log", in: Location | ifLocation | innerLocation | Server, shadowed: HTTP, least: 1, most: -1, usage: "access_log off", doc: "off: no line in the access log.", read: readAccessLog},
		{name: "limit_rate", in: Location | innerLocation | Server | HTTP, least: 1, most: 1, usage: "limit_rate size", doc: "Octets per second of a response; outside of routes, of those that have no limit-rate of their own.", read: readLimitRate},
		{name: "limit_rate_after", in: Location | innerLocation | Server | HTTP, least: 1, most: 1, usage: "limit_rate_after size", doc: "From where on limit_rate counts.", read: readLimitRateAfter},
		{name: "limit_req_zone", in: HTTP, least: 3, most: 3, usage: "limit_req_zone key zone=name:size rate=10r/s", doc: "Makes a zone that counts requests by a text such as $binary_remote_addr, with a rate per second (r/s) or minute (r/m); without a text there is no limit. The size means nothing.", read: readRequestZone},
		{name: "limit_conn_zone", in: HTTP, least: 2, most: 2, usage: "limit_conn_zone key zone=name:size", doc: "Makes a zone that counts running requests by a text.", read: readRunningZone},
		{name: "limit_req", in: Location | innerLocation | Server | HTTP, least: 1, most: 4, usage: "limit_req zone=name burst=number nodelay", doc: "Refuses requests beyond the rate of a zone. burst of them may be ahead; they wait, but with nodelay, and the first of them with delay=number. All limits of the innermost text that has any count, with those of annotations.", read: readRequestLimit},
		{name: "limit_conn", in: Location | innerLocation | Server | HTTP, least: 2, most: 2, usage: "limit_conn zone number", doc: "Refuses requests while so many of the zone are running.", read: readRunningLimit},
		{name: "limit_req_status", in: Location | innerLocation | Server | HTTP, least: 1, most: 1, usage: "limit_req_status code", doc: "Status of what limit_req refuses, and limit-rps and limit-rpm.", read: readRequestStatus},
		{name: "limit_conn_status", in: Location | innerLocation | Server | HTTP, least: 1, most: 1, usage: "limit_conn_status code", doc: "Status of what limit_conn refuses, and limit-connections.", read: readRunningStatus},
		{name: "client_max_body_size", in: Location | innerLocation, shadowed: Server | HTTP, least: 1, most: 1, usage: "client_max_body_size size", doc: "Largest request body, 0 is unlimited.", read: readBodySize},
		{name: "proxy_connect_timeout", in: Location, shadowed: Server | HTTP, least: 1, most: 1, usage: "proxy_connect_timeout time", doc: "Time to connect to a backend.", read: readConnectTimeout},
		{name: "proxy_send_timeout", in: Location, shadowed: Server | HTTP, least: 1, most: 1, usage: "proxy_send_timeout time", doc: "Idle time towards a backend.", read: readSendTimeout},
		{name: "proxy_read_timeout", in: Location, shadowed: Server | HTTP, least: 1, most: 1, usage: "proxy_read_timeout time", doc: "Idle time of a backend.", read: readReadTimeout},
		{name: "grpc_read_timeout", in: Location, shadowed: Server | HTTP, least: 1, most: 1, usage: "grpc_read_timeout time", doc: "The same for gRPC.", read: readReadTimeout},
		{name: "grpc_send_timeout", in: Location, shadowed: Server | HTTP, least: 1, most: 1, usage: "grpc_send_timeout time", doc: "The same for gRPC.", read: readSendTimeout},
		{name: "proxy_http_version", in: Location, shadowed: Server | HTTP, least: 1, most: 1, usage: "proxy_http_version 1.1", doc: "HTTP version towards a backend, 1.0 or 1.1.", read: readHTTPVersion},
		{name: "proxy_next_upstream", in: Location, shadowed: Server | HTTP, least: 1, most: -1, usage: "proxy_next_upstream error timeout", doc: "When another endpoint is tried.", read: readNextUpstream},
		{name: "proxy_next_upstream_tries", in: Location, shadowed: Server | HTTP, least: 1, most: 1, usage: "proxy_next_upstream_tries number", doc: "Attempts in total; 0 is no limit.", read: readNextTries},
		{name: "proxy_next_upstream_timeout", in: Location, shadowed: Server | HTTP, least: 1, most: 1, usage: "proxy_next_upstream_timeout time", doc: "Time in which attempts may start; 0 is no limit.", read: readNextTimeout},
		{name: "proxy_intercept_errors", in: Location | Server | HTTP | innerLocation, least: 1, most: 1, usage: "proxy_intercept_errors on", doc: "on: error_page holds for responses of the backend, too; off: they pass, whatever custom-http-errors says.", read: readIntercept},
		{name: "proxy_cookie_path", in: Location, shadowed: Server | HTTP, least: 1, most: 2, usage: "proxy_cookie_path from to", doc: "Replaces the beginning of the Path of cookies.", read: readCookiePath},
		{name: "proxy_cookie_domain", in: Location, shadowed: Server | HTTP, least: 1, most: 2, usage: "proxy_cookie_domain from to", doc: "Replaces the Domain of cookies.", read: readCookieDomain},
		{name: "proxy_cookie_flags", in: Location, least: 1, most: -1, usage: "proxy_cookie_flags cookie flag …", doc: "Sets or removes Secure, HttpOnly and SameSite of cookies.", read: readCookieFlags},
		{name: "proxy_redirect", in: Location, shadowed: Server | HTTP, least: 1, most: 2, usage: "proxy_redirect from to", doc: "Replaces the beginning of Location and Refresh.", read: readProxyRedirect},
		{name: "proxy_ssl_name", in: Location | Server | HTTP, least: 1, most: 1, usage: "proxy_ssl_name name", doc: "Name of the backend, which proxy_ssl_server_name sends and proxy-ssl-verify checks: without variables, or $host.", read: readTLSName},
		{name: "proxy_ssl_server_name", in: Location | Server | HTTP, least: 1, most: 1, usage: "proxy_ssl_server_name on", doc: "on: the name is sent in the handshake with the backend.", read: readTLSServerName},
		{name: "proxy_ssl_verify", in: Location | Server | HTTP, least: 1, most: 1, usage: "proxy_ssl_verify off", doc: "off is the default; for on use `proxy-ssl-verify`.", read: readTLSVerify},

		{name: "sub_filter", in: Location | Server | HTTP, least: 2, most: 2, usage: "sub_filter text replacement", doc: "Replaces a text in contents of the backend that it has not compressed; letters match in both cases. Of several that begin at one place the first counts.", read: readSubFilter},
		{name: "sub_filter_once", in: Location | Server | HTTP, least: 1, most: 1, usage: "sub_filter_once off", doc: "off: every occurrence of each text, not only the first.", read: readSubOnce},
		{name: "sub_filter_types", in: Location | Server | HTTP, least: 1, most: -1, usage: "sub_filter_types type …", doc: "Media types besides text/html; * is any.", read: readSubTypes},
		{name: "sub_filter_last_modified", in: Location | Server | HTTP, least: 1, most: 1, usage: "sub_filter_last_modified on", doc: "on: keeps Last-Modified and a weak ETag of what is changed.", read: readSubLastModified},
	}
}

func lookup(name string) (row, bool) {
	for _, r := range rows() {
		if r.name == name {
			return r, true
		}
	}
	return row{}, false
}

const preface = "" +
	"# Snippets\n" +
	"\n" +
	"Daemun has no nginx inside: the snippets of ingress-nginx are read by the rules of nginx's configuration language (quotes, escapes, variables, comments, blocks) into the same\n" +
	"typed policies that annotations make. No text is ever put into another one or executed.\n" +
	"\n" +
	"* Both gates of ingress-nginx hold: the ConfigMap of `--configmap` needs `allow-snippet-annotations: \"true\"` and `annotations-risk-level: Critical`. Snippets of that\n" +
	"  ConfigMap itself have no gate.\n" +
	"* A directive that is not understood is a problem with its line and column, and what to use instead. Because it may guard, the routes answer 503 until it is gone; with\n" +
	"  `--ignore-unsupported-snippets` they are served without it. In `http-snippet`, `main-snippet` and `stream-snippet` it is only left out, and so is everywhere what\n" +
	"  guards nothing, such as a cache: a warning says so.\n" +
	"* `daemun migrate` and `daemun lint` say which directives of your Ingresses these are.\n" +
	"* Order and inheritance are nginx's: set, if, return and rewrite come before the https redirect and all guards, allow and deny behind them; the add_header directives of the innermost\n" +
	"  text count alone; the settings of the last if that held are used; a server-snippet is that of the oldest Ingress of the host, and runs before the route is chosen.\n" +
	"* Variables are those of nginx and ingress-nginx, captures, and what set makes.\n" +
	"\n" +
	"Contexts: *route* is configuration-snippet and location-snippet, *host* server-snippet, *all hosts* http-snippet, *auth* auth-snippet and global-auth-snippet; *if*, *location* and\n" +
	"*limit_except* are blocks.\n" +
	"\n"

// Markdown renders docs/snippets.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(preface)
	b.WriteString("| Directive | In | Meaning |\n|---|---|---|\n")
	for _, r := range supported() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.ReplaceAll(r.usage, "|", `\|`), r.in.names(), strings.ReplaceAll(r.doc, "|", `\|`))
	}
	b.WriteString("\n| Not a directive here | Instead |\n|---|---|\n")
	for _, group := range grouped(unsupported()) {
		fmt.Fprintf(&b, "| %s | %s |\n", group.names, group.text)
	}
	b.WriteString("\n| Left out with a warning | Instead |\n|---|---|\n")
	for _, group := range grouped(lost()) {
		fmt.Fprintf(&b, "| %s | %s |\n", group.names, group.text)
	}
	b.WriteString("\n| Without effect | |\n|---|---|\n")
	for _, group := range grouped(tuning()) {
		fmt.Fprintf(&b, "| %s | %s |\n", group.names, orElse(group.text, "it adjusts what only nginx has"))
	}
	return b.String()
}

type group struct{ names, text string }

// grouped joins neighbours with the same text.
func grouped(list []row) (groups []group) {
	for _, r := range list {
		name := "`" + r.name + "`"
		if n := len(groups); n > 0 && groups[n-1].text == r.instead {
			groups[n-1].names += ", " + name
			continue
		}
		groups = append(groups, group{name, r.instead})
	}
	return groups
}

func (c Context) names() string {
	var list []string
	for _, n := range []struct {
		c    Context
		name string
	}{
		{Location, "route"}, {Server, "host"}, {Auth, "auth"}, {HTTP, "all hosts"}, {ifLocation, "if"}, {innerLocation, "location"}, {limitExcept, "limit_except"},
	} {
		if c&n.c != 0 {
			list = append(list, n.name)
		}
	}
	return strings.Join(list, ", ")
}
