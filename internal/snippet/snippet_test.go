package snippet

import (
	"encoding/json"
	"strings"
	"testing"

	"daemun/internal/ir"

	"github.com/google/go-cmp/cmp"
)

// shape prints directives with their places, for comparison.
func shape(list []directive) string {
	var b strings.Builder
	for _, d := range list {
		b.WriteString(d.name)
		for _, a := range d.args {
			b.WriteString("|" + a.text)
		}
		if d.isBlock {
			b.WriteString("{" + shape(d.block) + "}")
		}
		b.WriteString(";")
	}
	return b.String()
}

// TestParse pins nginx's lexical rules.
func TestParse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"words and quotes", `a b "c d" 'e "f' g"h;`, `a|b|c d|e "f|g"h;`},
		{"escapes", `a "x\"y\\z" \n\t\d\;b 'q\'r' "\\d+\.x";`, "a|x\"y\\z|\n\t\\d\\;b|q'r|\\d+\\.x;"},
		{"comments", "# all\na b; # more\n# \"quote\nc#d e;", `a|b;c#d|e;`},
		{"variables in braces", `a ${b}c "x${d}y"; if ($x = "{") { r; }`, `a|${b}c|x${d}y;if|($x|=|{|){r;};`},
		{"no blank before a block", `if ($x){a b;}`, `if|($x){a|b;};`},
		{"lines within a quote", "a \"b\nc\" d;", "a|b\nc|d;"},
		{"code is passed over", "access_by_lua_block { if x then { y } end }\nb;", `access_by_lua_block{};b;`},
		{"nothing", " \n\t# x", ""},
	} {
		list, err := parse(tt.text)
		if got := shape(list); err != nil || got != tt.want {
			t.Errorf("%s: %q %v, want %q", tt.name, got, err, tt.want)
		}
	}
	for _, tt := range []struct{ text, want string }{
		{"a b", `line 1, column 4: the text ends within the directive "a": a ";" is missing`},
		{"a;\n  }", `line 2, column 3: there is no block that this "}" could end`},
		{"a {\n b;", `line 2, column 4: the text ends within a block: a "}" is missing`},
		{"a \"b", "line 1, column 3: the quote that begins here does not end"},
		{"a \"b\"c;", `line 1, column 6: 'c' stands right behind a quote: write a blank between them`},
		{";", `line 1, column 1: ';' stands where a directive should begin`},
		{"a { b }", `line 1, column 7: "}" stands within the directive "b": a ";" is missing`},
		{strings.Repeat("a{", 9), "line 1, column 15: blocks are nested more than 6 deep"},
	} {
		if _, err := parse(tt.text); err == nil || err.Error() != tt.want {
			t.Errorf("%q: %v, want %s", tt.text, err, tt.want)
		}
	}
}

func steps(t *testing.T, b *Block) string {
	t.Helper()
	out, err := json.Marshal(b.Steps)
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(out))
}

// TestSteps pins what the rewriting directives mean.
func TestSteps(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{`return 403;`, `[{"return":{"status":403}}]`},
		{`return 301 https://b.test$request_uri;`, `[{"return":{"status":301,"text":"https://b.test$request_uri"}}]`},
		{`return https://b.test/;`, `[{"return":{"status":302,"text":"https://b.test/"}}]`},
		{`return 200 "ok\n";`, `[{"return":{"status":200,"text":"ok\n","type":"text/html"}}]`},
		{`default_type text/plain; return 200 ok;`, `[{"return":{"status":200,"text":"ok","type":"text/plain"}}]`},
		{`set $a "b$host";`, `[{"set":{"name":"a","value":"b$host"}}]`},
		{`rewrite ^/a/(\d+)$ /b/$1?x=$1 last;`, `[{"rewrite":{"pattern":"^/a/(\\d+)$","path":"/b/$1","args":"x=$1","hasArgs":true,"flag":"last"}}]`},
		{`rewrite ^ /b? permanent;`, `[{"rewrite":{"pattern":"^","path":"/b","dropArgs":true,"status":301}}]`},
		{`rewrite ^ /b?c=d?;`, `[{"rewrite":{"pattern":"^","path":"/b","args":"c=d","hasArgs":true,"dropArgs":true}}]`},
		{`rewrite ^ https://x.test/;`, `[{"rewrite":{"pattern":"^","path":"https://x.test/","status":302}}]`},
		{`if ($host = a.test) { return 404; }`, `[{"if":{"left":"$host","op":"=","right":"a.test"},"then":[{"return":{"status":404}}]}]`},
		{`if ($http_x) { break; }`, `[{"if":{"left":"$http_x"},"then":[{"break":true}]}]`},
		{`if ( $http_user_agent ~* "a b|c" ) { set $m 1; }`, `[{"if":{"left":"$http_user_agent","op":"~*","right":"a b|c"},"then":[{"set":{"name":"m","value":"1"}}]}]`},
		{`if ($arg_x !~ ^(?<year>\d+)) { return 400; } set $y $year;`, `[{"if":{"left":"$arg_x","op":"!~","right":"^(?<year>\\d+)"},"then":[{"return":{"status":400}}]},{"set":{"name":"y","value":"$year"}}]`},
		{`if ($http_x = "") { return 401; }`, `[{"if":{"left":"$http_x","op":"="},"then":[{"return":{"status":401}}]}]`},
		{`if ($a != "x)") { return 401; } set $a 1;`, `[{"if":{"left":"$a","op":"!=","right":"x)"},"then":[{"return":{"status":401}}]},{"set":{"name":"a","value":"1"}}]`},
	} {
		b := Read(Location, tt.text, Options{})
		if len(b.Problems) > 0 {
			t.Errorf("%s: %v", tt.text, b.Problems)
		}
		if d := cmp.Diff(tt.want, steps(t, b)); d != "" {
			t.Errorf("%s: -want +got:\n%s", tt.text, d)
		}
	}
}

// TestFields pins what the directives about fields mean.
func TestFields(t *testing.T) {
	t.Parallel()
	b := Read(Location, `
		more_set_headers "X-Frame-Options: DENY" 'X-Gone:';
		more_set_headers -s '404 500' -t text/html "X-A: $host";
		more_clear_headers Server X-B*;
		add_header X-C 1;
		add_header X-D 2 always;
		more_set_input_headers -r "X-E: 3";
		more_clear_input_headers Authorization;
		proxy_set_header X-F "";
		proxy_set_header Upgrade $http_upgrade;
		proxy_hide_header X-G;
		proxy_pass_header X-H;
		expires 1h;`, Options{})
	want := ir.FieldEdits{
		Request: []ir.FieldEdit{
			{Kind: ir.EditSet, Name: "X-E", Value: "3", OfClient: true, Existing: true},
			{Kind: ir.EditClear, Name: "Authorization", OfClient: true},
			{Kind: ir.EditSet, Name: "X-F"},
		},
		Hide: []string{"X-G"},
		Response: []ir.FieldEdit{
			{Kind: ir.EditSet, Name: "X-Frame-Options", Value: "DENY"},
			{Kind: ir.EditClear, Name: "X-Gone"},
			{Kind: ir.EditSet, Name: "X-A", Value: "$host", Statuses: []int{404, 500}, Types: []string{"text/html"}},
			{Kind: ir.EditClear, Name: "Server"},
			{Kind: ir.EditClear, Name: "X-B*"},
			{Kind: ir.EditAdd, Name: "X-C", Value: "1", Statuses: addStatuses},
			{Kind: ir.EditAdd, Name: "X-D", Value: "2"},
			{Kind: ir.EditSet, Name: "Expires", Statuses: addStatuses, Dated: true, DateAfter: ir.Duration(3600e9)},
			{Kind: ir.EditSet, Name: "Cache-Control", Value: "max-age=3600", Statuses: addStatuses},
		},
	}
	if d := cmp.Diff(want, b.Edits); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if len(b.Problems) != 1 || b.Problems[0].Weight != NoEffect || b.Problems[0].Place.Line != 10 || b.Broken() {
		t.Errorf("%v", b.Problems)
	}
}

// TestProblems pins that nothing is taken that would mean something else, and
// that the place is told.
func TestProblems(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		context    Context
		text, want string
	}{
		{Location, "proxy_pass http://x;", "line 1, column 1: proxy_pass: it is not supported: name the Service"},
		{Location, "a;\n  auth_basic_user_file x;", "line 2, column 3: auth_basic_user_file: it is not supported: use the annotations auth-type and auth-secret"},
		{Location, "gibt_es_nicht 1;", "line 1, column 1: gibt_es_nicht: there is no directive of this name"},
		{Location, "return 99;", "return: its argument is neither a status nor a URL"},
		{Location, "return 700 x;", "return: its first argument is no status"},
		{Location, "return;", "return: it has the wrong number of arguments: write return code"},
		{Location, "set $host x;", "set: $host is a variable of nginx"},
		{Location, "set host x;", "set: its first argument is no variable"},
		{Location, "more_set_headers \"X: $nobody\";", "line 1, column 18: more_set_headers: there is no variable $nobody"},
		{Location, "add_header Connection x;", "add_header: the field Connection belongs to the connection"},
		{Location, "add_header \"a b\" x;", "add_header: \"a b\" is no field name"},
		{Location, "if (-f $request_filename) { return 404; }", "if: it asks for files"},
		{Location, "if ($a$b = x) { return 404; }", "if: its condition is none that can be compared"},
		{Location, "if ($host ~ \"(\") { return 404; }", "if: the expression cannot be used: missing closing ): "},
		{Location, "if ($host ~ \"a(?=b)\") { return 404; }", "if: the expression cannot be used: look-ahead"},
		{Location, "if ($host) { proxy_set_header X 1; }", "proxy_set_header: it is not allowed within an if"},
		{Location, "if ($host) { if ($scheme) { break; } }", "if: it is not allowed within an if"},
		{Location, "rewrite ^ /x now;", "rewrite: its last argument is none of"},
		{Location, "location @x { return 200; }", "location: a location with a name stands in a server-snippet only"},
		{Location, "location /x { location /x/y { return 200; } }", "location: it is not allowed in a location of a snippet"},
		{Location, "deny 10.0.0.0/99;", "deny: its argument is none of"},
		{Location, "allow all { }", "allow: it has no block"},
		{Location, "if ($host);", "if: it needs a block"},
		{Location, "error_page 404 404.html;", "error_page: its last argument is none of a path"},
		{Location, "error_page =200 /x;", "error_page: it names no status"},
		{Location, "error_page 404 =700 /x;", "error_page: the status behind = is none"},
		{Location, "internal;", "internal: it is not allowed in a configuration-snippet"},
		{Location, "map $host $x { a b; }", "map: it is not allowed in a configuration-snippet"},
		{Location, "proxy_cookie_path ~( y;", "proxy_cookie_path: the expression cannot be used"},
		{Location, "client_max_body_size lots;", "client_max_body_size: its argument is no size"},
		{Location, "access_by_lua_block { ngx.exit(403) }", "access_by_lua_block: it is not supported: no code is run"},
		{Server, "location /x { proxy_pass http://y; }", "proxy_pass: it is not supported"},
		{Server, "location x { return 200; }", `location: its path does not begin with "/"`},
		{Server, "location = /x { proxy_set_header A b; }", "proxy_set_header: it is not allowed in a location of a snippet"},
		{Server, "error_page 404 = @none;", "error_page: there is no location @none"},
		{Location, "sub_filter '' x;", "sub_filter: the text to be found is empty"},
		{Location, "sub_filter_once maybe;", "sub_filter_once: its argument is neither on nor off"},
		{Location, "sub_filter_types css;", "sub_filter_types: css is no media type"},
		{Location, "if ($host) { sub_filter a b; }", "sub_filter: it is not allowed within an if"},
		{Location, "sub_filter a $nobody;", "sub_filter: there is no variable $nobody"},
		{Location, "auth_request_set user $upstream_http_x;", "auth_request_set: its first argument is no variable"},
		{Location, "auth_request_set $host $upstream_http_x;", "auth_request_set: $host is a variable of nginx"},
		{Location, "auth_request_set $user $nobody;", "auth_request_set: there is no variable $nobody"},
		{Auth, "rewrite ^ /x;", "rewrite: it is not allowed in an auth-snippet"},
		{HTTP, "return 404;", "return: it is not allowed in an http-snippet"},
		{Location, "return 404", "the text ends within the directive"},
		{Location, "if ($geoip_country_code = XX) { return 403; }", "if: $geoip_country_code has no value"},
		{Server, "map $host $x { a b; }", "map: it is not allowed in a server-snippet: write it into the ConfigMap key http-snippet"},
		{Location, "proxy_ssl_verify on;", "proxy_ssl_verify: only off is supported: use the annotations proxy-ssl-secret"},
		{Location, "proxy_ssl_name $proxy_host;", "proxy_ssl_name: its argument is no name"},
		{HTTP, "server { listen 8080; }", "server: it is not supported: name a Service"},
	} {
		b := Read(tt.context, tt.text, Options{})
		found := false
		var all []string
		for _, p := range b.Problems {
			text := p.Place.String() + ": " + p.Directive + ": " + p.Message
			found = found || p.Weight == Broken && strings.Contains(text, tt.want)
			all = append(all, text)
		}
		if !found || !b.Broken() {
			t.Errorf("%s:\n%s\nwant %s", tt.text, strings.Join(all, "\n"), tt.want)
		}
	}
}

// TestWithoutEffect pins what is only told.
func TestWithoutEffect(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		context Context
		text    string
	}{
		{Location, "proxy_buffering on;"},
		{Location, "gzip on;"},
		{Server, "proxy_read_timeout 5s;"},
		{Server, "proxy_set_header X 1;"},
		{HTTP, "client_max_body_size 1m;"},
		{Location, "proxy_set_header Connection \"\";"},
		{Auth, "auth_request_set $user $upstream_http_x_user;"},
		{Server, "ssl_stapling on;"},
	} {
		if b := Read(tt.context, tt.text, Options{}); len(b.Problems) != 1 || b.Problems[0].Weight != NoEffect {
			t.Errorf("%s: %v", tt.text, b.Problems)
		}
	}
}

// TestLost pins what is left out although it would do something in nginx: it
// guards nothing.
func TestLost(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		context Context
		text    string
	}{
		{Location, "proxy_cache x;"}, {Server, "proxy_cache_lock on;"}, {HTTP, "proxy_cache_path /x keys_zone=a:1m;"}, {Location, "access_log /dev/null main;"},
	} {
		if b := Read(tt.context, tt.text, Options{}); len(b.Problems) != 1 || b.Problems[0].Weight != Lost || b.Broken() {
			t.Errorf("%s: %v", tt.text, b.Problems)
		}
	}
}

func TestServer(t *testing.T) {
	t.Parallel()
	b := Read(Server, `
		location ~* \.(env|git) { deny all; return 404; }
		location = /robots.txt { default_type text/plain; add_header X-A 1; return 200 "User-agent: *"; }
		location @login { return 302 https://login.test/; }
		error_page 401 403 = @login;
		error_page 404 https://other.test/missing;
		error_page 502 500 /sorry?c=$status;
		error_page 503 =200 /sorry;`, Options{})
	if len(b.Problems) > 0 {
		t.Fatal(b.Problems)
	}
	if len(b.Locations) != 3 || b.Locations[0].Match != ir.LocationRegexFold || len(b.Locations[0].Block.Access) != 2 || b.Locations[1].Block.Steps[0].Return.Type != "text/plain" {
		t.Errorf("%+v", b.Locations)
	}
	want := []ir.ErrorPage{
		{Statuses: []int{401, 403}, To: "@login", OwnStatus: true},
		{Statuses: []int{404}, To: "https://other.test/missing"},
		{Statuses: []int{500, 502}, To: "/sorry?c=$status"},
		{Statuses: []int{503}, To: "/sorry", Status: 200},
	}
	if d := cmp.Diff(want, b.ErrorPages); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if b.Locations[2].Match != ir.LocationNamed || b.Locations[2].Pattern != "@login" || len(b.Locations[2].Block.Steps) != 1 {
		t.Errorf("%+v", b.Locations[2])
	}
}

// TestTable: every row says what to do, and no name is there twice.
func TestTable(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range rows() {
		if seen[r.name] {
			t.Errorf("%s is listed twice", r.name)
		}
		seen[r.name] = true
		if r.read != nil && (r.usage == "" || r.doc == "" || r.in == 0) || r.read == nil && !r.tuning && r.instead == "" {
			t.Errorf("%s: the row says too little", r.name)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		`if ($http_x ~* "a(b)") { return 301 https://$1$request_uri; }`, `location ~ ^/x { deny all; }`, "a {\n", `more_set_headers -s 404 "A: b";`,
		`rewrite ^/(.*)$ /$1?a=b? break;`, `error_page 404 = @x; location @x { return 302 $scheme://y; }`, `limit_except GET { allow 1.2.3.4; deny all; }`, `x_by_lua_block { {} }`,
		`map $host$x $y { default 1; "" 2; ~^(a)b "$1"; hostnames; .a.test 3; }`, `geo $x { 10.0.0.0/8 1; default 0; }`, `geo $x { ranges; default 0; 10.0.0.1-10.0.1.9 1; 10.0.0.3-10.0.0.4 2; }`, `split_clients $host $x { 1.5% a; * b; }`, `limit_req zone=a burst=2 delay=1; limit_req_zone $host zone=a:1m rate=1r/s; limit_conn a 1;`, `error_page 403 404 =200 /x?$args; proxy_cookie_flags ~a secure nosamesite;`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, c := range []Context{Location, Server, Auth, HTTP, Other} {
			b := Read(c, text, Options{})
			for _, p := range b.Problems {
				if p.Message == "" || p.Place.Line < 1 || p.Place.Column < 1 {
					t.Errorf("%q: %+v", text, p)
				}
			}
			for _, e := range append(b.Edits.Request, b.Edits.Response...) {
				if checkField(e.Name, e.Kind == ir.EditClear) != "" {
					t.Errorf("%q sets %q", text, e.Name)
				}
			}
			if _, err := parse(text); err != nil && len(b.Steps) > 0 {
				t.Errorf("%q: something is used of a text that cannot be read", text)
			}
		}
	})
}
