package conformance

import "strconv"

// manyRequests are requests with different texts, of different lengths.
func manyRequests(request string, n int) (list []string) {
	for i := range n {
		list = append(list, request+strconv.Itoa(i*i*i*i*i))
	}
	return append(list, request)
}

// snippetHTTP is the http-snippet of all cases.
const snippetHTTP = `
map $http_x_tier $tier { default basic; "" none; gold first; ~^sil(?<rest>.*)$ "silver-$rest"; ~*^BRONZE third; "\default" escaped; }
map $host:$arg_m $both { default "$host-none"; ~:m$ "m of $host"; }
map $http_x_name $zone { hostnames; default other; .a.test a; *.b.test b; www.* www; }
geo $inside { default 0; 127.0.0.0/8 1; 127.0.0.1 2; 10.0.0.0/8 3; }
geo $arg_ip $ranged { ranges; default out; 10.0.0.1-10.0.1.200 outer; 10.0.0.7-10.0.0.9 inner; 192.0.2.1-192.0.2.1 one; }
geo $arg_ip $less { default out; 10.0.0.0/8 ten; 10.1.0.0/16 sub; delete 10.1.0.0/16; }
split_clients "$arg_id" $side { 10% a; 33.33% b; 0.5% c; * d; }
split_clients "$binary_remote_addr$arg_id" $half { 50% a; }
geo $arg_ip $where { default far; 10.0.0.0/8 ten; 10.1.0.0/16 near; 2001:db8::/32 six; }
limit_req_zone $arg_one zone=one:1m rate=1r/m;
limit_req_zone $arg_two zone=two:1m rate=1r/m;
limit_req_zone $arg_more zone=more:1m rate=1r/m;
limit_conn_zone $arg_run zone=run:1m;
`

var snippetCases = []snippetCase{
	{"deny of a folder", `location ~ /\.git { deny all; }`, "", []string{"GET /.git/config", "GET /x/.gitignore", "GET /git", "GET /.GIT"}},
	{"deny and return of a folder", `location ~ /\.(git|env) { deny all; return 404; }`, "", []string{"GET /.git/config", "GET /.env", "GET /env"}},
	{"deny without regard to case", `location ~* \.(bak|sql)$ { deny all; access_log off; log_not_found off; }`, "", []string{"GET /a.SQL", "GET /a.sql.gz", "GET /x.bak?y"}},
	{"metrics", `location /metrics { deny all; }`, "", []string{"GET /metrics", "GET /metrics/x", "GET /metricsx", "GET /"}},
	{"metrics with a status", `location = /metrics { return 403; }`, "", []string{"GET /metrics", "GET /metrics/", "POST /metrics"}},
	{"robots", `location = /robots.txt { return 200 "User-agent: *\nDisallow: /\n"; }`, "", []string{"GET /robots.txt", "HEAD /robots.txt", "GET /robots.txt?x"}},
	{"robots with a type", `location = /robots.txt { default_type text/plain; add_header X-Robots yes; return 200 "User-agent: *"; }`, "", []string{"GET /robots.txt"}},
	{
		"locations by kind", `location = /a { return 200 exact; } location /a { return 200 prefix; } location ^~ /a/firm { return 200 firm; } location ~ /x$ { return 200 regex; }`, "",
		[]string{"GET /a", "GET /a/", "GET /a/x", "GET /a/firm/x", "GET /x", "GET /y"},
	},
	{"allow in a location", `location /in { allow 127.0.0.1; deny all; return 200 in; } location /out { deny 127.0.0.0/8; allow all; }`, "", []string{"GET /in", "GET /out"}},
	{"satisfy and auth_basic in a location", `location /s { satisfy any; auth_basic off; deny all; }`, "", []string{"GET /s"}},
	{
		"redirect of a location", `location /old { return 301 /new$is_args$args; } location /gone { return 410; } location /else { return 302 https://else.test$request_uri; }`, "",
		[]string{"GET /old?x=1", "GET /old", "GET /gone", "GET /else/a%20b?c", "POST /old"},
	},
	{"if on the host", `if ($host = case11.test) { set $a 1; } if ($a = 1) { return 301 https://www.test$request_uri; }`, "", []string{"GET /x?y"}},
	{"no content", `location /n { return 204; } location /m { return 304; }`, "", []string{"GET /n", "GET /m", "HEAD /n"}},
	{
		"a rewrite of the host", `rewrite ^/old/(.*)$ /new/$1 last; rewrite ^/go/(.*)$ /gone/$1 redirect; rewrite ^/for/(.*)$ https://x.test/$1? permanent;`, "",
		[]string{"GET /old/a%20b?c=d", "GET /go/a%20b?c", "GET /for/x?y", "GET /else"},
	},

	{"return", "", `return 403;`, []string{"GET /", "HEAD /", "POST /"}},
	{
		"return with each page", "", `
if ($arg_c = 402) { return 402; } if ($arg_c = 404) { return 404; } if ($arg_c = 405) { return 405; } if ($arg_c = 406) { return 406; }
if ($arg_c = 409) { return 409; } if ($arg_c = 410) { return 410; } if ($arg_c = 411) { return 411; } if ($arg_c = 412) { return 412; } if ($arg_c = 413) { return 413; }
if ($arg_c = 414) { return 414; } if ($arg_c = 415) { return 415; } if ($arg_c = 416) { return 416; } if ($arg_c = 421) { return 421; } if ($arg_c = 429) { return 429; }
if ($arg_c = 500) { return 500; } if ($arg_c = 501) { return 501; } if ($arg_c = 502) { return 502; } if ($arg_c = 503) { return 503; } if ($arg_c = 504) { return 504; }
if ($arg_c = 505) { return 505; } if ($arg_c = 507) { return 507; } if ($arg_c = 444) { return 444; }`,
		[]string{
			"GET /?c=402", "GET /?c=404", "GET /?c=405", "GET /?c=406", "GET /?c=409", "GET /?c=410", "GET /?c=411", "GET /?c=412", "GET /?c=413", "GET /?c=414", "GET /?c=415",
			"GET /?c=416", "GET /?c=421", "GET /?c=429", "GET /?c=500", "GET /?c=501", "GET /?c=502", "GET /?c=503", "GET /?c=504", "GET /?c=505", "GET /?c=507",
		},
	},
	{"return with a text", "", `return 418 "no: $request_method $uri $args";`, []string{"GET /a%20b?c=d", "POST /"}},
	{"return a URL", "", `return https://x.test$uri;`, []string{"GET /a%20b"}},
	{
		"conditions", "", `
if ($http_x_a = "1") { return 401; }
if ($http_x_a ~ ^(\d)(\d)$) { return 402 "$1-$2"; }
if ($http_x_a ~* ^ABC) { return 403; }
if ($http_x_a !~ ^[a-z0-9]*$) { return 405; }
if ($arg_q) { return 406; }
if ($request_method = DELETE) { return 409; }
if ($http_cookie ~ "k=(?<key>[^;]+)") { return 410 "$key"; }`,
		[]string{"GET /|X-A: 1", "GET /|X-A: 42", "GET /|X-A: abcd", "GET /|X-A: A!", "GET /?q=1", "GET /?q=0", "GET /?q=", "DELETE /", "GET /|Cookie: a=b; k=v", "GET /"},
	},
	{"set", "", `set $a "<$arg_x>"; set $b "${a}!"; add_header X-B "$b" always; proxy_set_header X-Tb "$b-$a";`, []string{"GET /?x=1", "GET /", "GET /status/500?x=2"}},
	{"set args", "", `set $args "a=b&$args";`, []string{"GET /x?y=1", "GET /x"}},
	{"rewrite and break", "", `rewrite ^/api/(.*)$ /v1/$1 break;`, []string{"GET /api/a%20b?c", "GET /x/../api//y", "GET /else?x"}},
	{"rewrite with arguments", "", `rewrite ^/p/(\d+)$ /page?id=$1 break; rewrite ^/q/(\d+)$ /page?id=$1? break;`, []string{"GET /p/7?x=1", "GET /p/7", "GET /q/7?x=1"}},
	{"rewrites in a row", "", `rewrite ^/a/(.*) /b/$1; rewrite ^/b/(.*) /c/$1 break; rewrite ^/c/(.*) /d/$1;`, []string{"GET /a/x", "GET /b/x"}},
	{"a rewrite in a circle", "", `rewrite ^/(.*)$ /x/$1 last;`, []string{"GET /a"}},
	{"an if with a rewrite", "", `if ($http_user_agent ~* "mobile") { rewrite ^(.*)$ /m$1 break; }`, []string{"GET /x|User-Agent: A Mobile B", "GET /x"}},
	{"an if with fields", "", `add_header X-Out 1; if ($arg_f) { add_header X-In 2; }`, []string{"GET /", "GET /?f=1"}},

	{"add_header", "", `add_header X-A 1; add_header X-B "2 $uri" always; add_header X-E ""; add_header X-A 3;`, []string{"GET /", "GET /status/404", "GET /status/201", "GET /status/302"}},
	{"add_header of two levels", `add_header X-S 1;`, `add_header X-L 2;`, []string{"GET /"}},
	{"add_header of the host", `add_header X-S 1 always;`, ``, []string{"GET /", "GET /status/500"}},
	{
		"more_set_headers", "", `more_set_headers "X-A: 1" "X-Backend: changed"; more_set_headers -s "404 500" "X-Err: yes"; more_set_headers -t "text/html text/css" "X-Type: yes"; more_set_headers -s 200 -t text/plain "X-Both: $uri";`,
		[]string{"GET /", "GET /status/404", "GET /html", "GET /css", "GET /status/500"},
	},
	{"more_set_headers on our own pages", "", `more_set_headers "X-A: 1"; deny all;`, []string{"GET /"}},
	{"more_clear_headers", "", `more_clear_headers X-Backend "X-Hid*" Server;`, []string{"GET /", "GET /status/404"}},
	{"more_clear_headers by status", "", `more_clear_headers -s 404 X-Backend;`, []string{"GET /", "GET /status/404"}},
	{"more_set_input_headers", "", `more_set_input_headers "X-Ta: $arg_a" "X-Tb:"; more_set_input_headers -r "X-Tc: replaced" "X-Td: never";`, []string{"GET /?a=1|X-Ta: 0|X-Tb: 1|X-Tc: 2", "GET /"}},
	{"more_clear_input_headers", "", `more_clear_input_headers Authorization "X-T*";`, []string{"GET /|Authorization: Basic x|X-Ta: 1|X-Tb: 2|Cookie: c=1"}},
	{"proxy_set_header", "", `proxy_set_header X-Ta "$host $scheme $request_method"; proxy_set_header X-Tb ""; proxy_set_header Authorization "";`, []string{"GET /|X-Ta: 0|X-Tb: 1|Authorization: x", "GET /"}},
	{"proxy_hide_header", "", `proxy_hide_header X-Hidden;`, []string{"GET /"}},
	{"expires", "", `expires 1h;`, []string{"GET /", "GET /status/404"}},
	{"expires epoch", "", `expires epoch;`, []string{"GET /"}},
	{"expires in the past", "", `expires -1;`, []string{"GET /"}},

	{"allow and deny", "", `allow 10.0.0.0/8; deny 127.0.0.1; allow all;`, []string{"GET /"}},
	{"limit_except", "", `limit_except GET { deny all; }`, []string{"GET /", "HEAD /", "POST /", "OPTIONS /"}},
	{"client_max_body_size", "", `client_max_body_size 2;`, []string{"POST /", "GET /"}},
	{"proxy_cookie_path", "", `proxy_cookie_path /old/ "/new/; Secure; SameSite=Lax";`, []string{"GET /cookie"}},
	{"proxy_cookie_path with an expression", "", `proxy_cookie_path ~^/(\w+)/(.*)$ /$2/$1;`, []string{"GET /cookie"}},
	{"proxy_cookie_domain", "", `proxy_cookie_domain inner.test outer.test;`, []string{"GET /cookie"}},
	{"proxy_cookie_flags", "", `proxy_cookie_flags a secure httponly samesite=strict; proxy_cookie_flags ~ nohttponly;`, []string{"GET /cookie"}},
	{"proxy_redirect", "", `proxy_redirect http://inner.test/ https://outer.test/;`, []string{"GET /redirect"}},
	{"proxy_redirect to a path", "", `proxy_redirect http://inner.test/ /in/;`, []string{"GET /redirect"}},
	{"without effect here", "", `proxy_connect_timeout 5s; proxy_read_timeout 1m; proxy_send_timeout 60; proxy_buffering off; proxy_request_buffering off; gzip off; etag off; limit_rate 100k; limit_rate_after 1m; access_log off;`, []string{"GET /", "POST /"}},

	{"sub_filter", "", `sub_filter "</head>" "<b></head>"; sub_filter '<title>' '<title>$host ';`, []string{"GET /html", "GET /css"}},
	{"sub_filter everywhere", "", `sub_filter "head" "x$arg_x"; sub_filter_once off; sub_filter_types text/css;`, []string{"GET /html?x=1", "GET /css", "GET /"}},
	{"sub_filter on our own pages", "", `sub_filter "Forbidden" "Verboten"; sub_filter_once off; deny all;`, []string{"GET /"}},
	{"sub_filter on what return says", "", `sub_filter a b; return 200 "a $uri a";`, []string{"GET /a"}},
	{"sub_filter on what return says of another type", "", `default_type text/plain; sub_filter a b; return 200 "a $uri a";`, []string{"GET /a"}},

	{"error_page with a path", `location = /sorry { return 200 "sorry: $uri $request_uri"; }`, `error_page 403 /sorry; deny all;`, []string{"GET /x?y", "POST /x", "HEAD /x"}},
	{"error_page with a status", `location = /sorry { return 200 "sorry"; }`, `error_page 403 =210 /sorry; deny all;`, []string{"GET /x?y"}},
	{"error_page with the status of the answer", `location = /sorry { return 201 "sorry"; }`, `error_page 403 = /sorry; deny all;`, []string{"GET /x?y"}},
	{"error_page that returns an error", `location = /sorry { return 404; }`, `error_page 403 =200 /sorry; deny all;`, []string{"GET /x"}},
	{"error_page that returns a text with an error", `location = /sorry { return 404 "gone"; }`, `error_page 403 /sorry; deny all;`, []string{"GET /x"}},
	{"error_page that redirects", `location = /sorry { return 302 https://login.test/?u=$request_uri; }`, `error_page 403 /sorry; deny all;`, []string{"GET /x"}},
	{"error_page to the backend", ``, `error_page 418 /page?c=1; if ($arg_t) { return 418; }`, []string{"GET /x?t=1", "HEAD /x?t=1", "GET /x"}},
	{"error_page for the backend", ``, `proxy_intercept_errors on; error_page 404 500 /page; error_page 502 =200 /page?x;`, []string{"GET /status/404", "GET /status/500", "GET /status/502", "GET /status/403"}},
	{"error_page that fails itself", ``, `proxy_intercept_errors on; error_page 404 500 /status/500; error_page 502 /status/403;`, []string{"GET /status/404", "GET /status/502"}},
	{"error_page without interception", ``, `error_page 404 /page;`, []string{"GET /status/404"}},
	{"error_page to a location", `location @no { add_header X-No 1 always; return 503 "no: $uri"; }`, `error_page 403 @no; deny all;`, []string{"GET /x"}},
	{"error_page to a location with its status", `location @no { return 302 https://login.test/; }`, `error_page 403 = @no; deny all;`, []string{"GET /x"}},
	{"error_page to a URL", ``, `error_page 403 https://x.test$uri; error_page 404 =301 https://y.test/; if ($arg_n) { return 404; } deny all;`, []string{"GET /a%20b", "GET /?n=1"}},
	{"error_page of the host", `error_page 403 /sorry; location = /sorry { internal; return 200 "sorry"; }`, `if ($arg_x) { return 403; }`, []string{"GET /?x=1", "GET /sorry", "GET /"}},
	{"error_page with no content", `location = /none { return 200 x; }`, `error_page 403 =204 /none; deny all;`, []string{"GET /"}},
	{"error_page to what is denied", `location = /sorry { deny all; }`, `error_page 403 =200 /sorry; deny all;`, []string{"GET /"}},
	{"error_page of statuses of its own", `location = /a { return 200 "a"; } location = /b { return 200 "b"; }`, `error_page 401 402 /a; error_page 402 403 /b; if ($arg_a) { return 402; } deny all;`, []string{"GET /?a=1", "GET /"}},

	{
		"map", "", `add_header X-Tier "$tier/$both/$zone"; proxy_set_header X-Ttier $tier;`,
		[]string{"GET /", "GET /|X-Tier: x", "GET /?m=m|X-Tier: GOLD", "GET /|X-Tier: silver", "GET /|X-Tier: bronze1", "GET /|X-Tier: default", "GET /|X-Name: a.test", "GET /|X-Name: x.y.A.test", "GET /|X-Name: b.test", "GET /|X-Name: c.b.test.", "GET /|X-Name: www.c"},
	},
	{"map in a condition", "", `if ($tier = first) { return 402 "$tier"; }`, []string{"GET /|X-Tier: gold", "GET /"}},
	{"variables of the way here", "", `proxy_set_header X-Tf "$proxy_add_x_forwarded_for"; proxy_set_header X-Ts "$https|$realip_remote_addr";`, []string{"GET /", "GET /|X-Forwarded-For: 10.1.1.1, 10.2.2.2"}},
	{"proxy_cookie_flags in any case", "", `proxy_cookie_flags a Secure SameSite=None; proxy_cookie_flags b NoHttpOnly;`, []string{"GET /cookie"}},
	{
		"geo with ranges", "", `add_header X-Geo "$ranged $less";`,
		[]string{"GET /", "GET /?ip=10.0.0.0", "GET /?ip=10.0.0.1", "GET /?ip=10.0.0.8", "GET /?ip=10.0.0.10", "GET /?ip=10.0.1.200", "GET /?ip=10.0.1.201", "GET /?ip=192.0.2.1", "GET /?ip=10.1.2.3", "GET /?ip=::1"},
	},
	{"split_clients", "", `add_header X-Split "$side $half";`, manyRequests("GET /?id=", 60)},
	{"limit_rate of the host", `limit_rate_after 1k; limit_rate 100k;`, "", []string{"GET /", "POST /"}},
	{
		"groups of a location", `location ~* ^/FOO(.*) { return 308 /foo$1$is_args$args; } location ~ ^/n/(?<id>\d+)/(\w) { add_header X-Id "$id $2"; if ($arg_x ~ (a)) { return 200 "x$1"; } return 200 "$id-$1-$2"; } location ~ ^/e/(.) { add_header X-E $1 always; deny all; }`, "",
		[]string{"GET /Foo/a%20b?c=d", "GET /n/12/y", "GET /n/12/y?x=a", "GET /e/z", "GET /n/x"},
	},
	{"limit_req", "", `limit_req zone=one;`, []string{"GET /?one=a", "GET /?one=a", "HEAD /?one=a", "GET /?one=b", "GET /", "GET /"}},
	{
		"limit_req with a burst", `limit_req_status 429;`, `limit_req zone=more burst=2 nodelay;`,
		[]string{"GET /?more=a", "GET /?more=a", "POST /?more=a", "GET /?more=a", "GET /?more=b", "GET /?more=c"},
	},
	{
		"limit_req with two zones, of which both or none count", "", `limit_req zone=two burst=3 delay=3; limit_req zone=more burst=1 nodelay;`,
		[]string{"GET /?two=x&more=x", "GET /?two=x&more=x", "GET /?two=x&more=y", "GET /?two=x", "GET /?two=x"},
	},
	{"limit_req of the host", `limit_req zone=one burst=1 nodelay; limit_req_status 429;`, "", []string{"GET /?one=h", "GET /?one=h", "GET /?one=h"}},
	{"limit_req within that of the host", `limit_req zone=one;`, `limit_req zone=two burst=1 nodelay;`, []string{"GET /?one=w&two=w", "GET /?one=w&two=w", "GET /?one=w&two=w"}},
	{"limit_req behind return", "", `limit_req zone=one; return 200 "here";`, []string{"GET /?one=r", "GET /?one=r"}},
	{"limit_req with an error_page", `location @slow { return 429 "slowly"; }`, `limit_req zone=one; error_page 503 @slow;`, []string{"GET /?one=e", "GET /?one=e"}},
	{"limit_req before allow and deny", "", `limit_req zone=one; deny all;`, []string{"GET /?one=d", "GET /?one=d"}},
	{"limit_conn", "", `limit_conn run 1; limit_conn_status 429;`, []string{"GET /?run=a", "GET /?run=a", "POST /?run=a"}},
	{
		"locations within a route", `location ~ /both$ { return 201 host; } location ^~ /firm { return 202 firm; }`,
		`add_header X-Outer 1; set $a 1; location = /e { return 200 exact; } location /p { return 200 "prefix $a"; } location /p/d { deny all; } location ^~ /p/f { add_header X-In 2; return 200 f; } location ~ ^/r(.)/(?<n>.*)$ { return 301 /to/$1/$n$is_args$args; } location ~* \.PHP$ { return 404 none; }`,
		[]string{"GET /", "GET /e", "GET /e/", "GET /p", "GET /px", "GET /p/d", "GET /p/d/both", "GET /p/f.php", "GET /ra/b%20c?d", "GET /x.php", "GET /p/x.php", "GET /firm/x.php", "GET /both", "GET /p/both"},
	},
	{"locations that inherit", "", `deny all; error_page 403 /sorry; location /sorry { allow all; internal; return 200 "sorry"; } location /in { add_header X-In 1 always; } location /open { allow all; return 200 open; }`, []string{"GET /", "GET /in", "GET /open", "GET /sorry"}},
	{"rewrites within a route", "", `location = /robots.txt { rewrite ^ /robots last; } location ~ ^/v1/ { rewrite ^/v1/(.*)$ /$1 last; } location /robots/x { return 404; }`, []string{"GET /robots.txt?a", "GET /v1/b%20c?d", "GET /v1/robots/x"}},
	{"geo", "", `add_header X-Geo "$inside $where";`, []string{"GET /", "GET /?ip=10.1.2.3", "GET /?ip=10.2.2.3", "GET /?ip=2001:db8::1", "GET /?ip=x"}},
}
