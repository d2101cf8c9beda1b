package variable

import "strings"

// The variables of what has been done with a request or a connection, for log
// formats. In other texts they are as empty as they are in nginx before the
// response. They are apart from the others, so that both lists can grow.
const (
	Status ID = 128 + iota
	RequestLine
	RequestLength
	RequestTime
	RequestCompletion
	BodyBytesSent
	BytesSent
	BytesReceived
	SessionTime
	Protocol
	TimeLocal
	TimeISO8601
	Msec
	Connection
	ConnectionRequests
	ConnectionTime
	ServerAddr
	Hostname
	PID
	HTTP2
	AlternativeName
	UpstreamAddr
	UpstreamStatus
	UpstreamResponseLength
	UpstreamResponseTime
	UpstreamConnectTime
	UpstreamHeaderTime
	UpstreamBytesSent
	UpstreamBytesReceived
	SSLProtocol
	SSLCipher
	SSLCurve
	SSLServerName
	SSLSessionReused
	SSLALPN
	SSLClientVerify
	SSLClientSubject
	SSLClientIssuer
	SSLClientCert
	SSLClientEscapedCert
	SSLClientFingerprint
	SSLClientSerial
	SSLClientStart
	SSLClientEnd
	SSLClientRemain
	// SentField is a field of the response to the client, UpstreamField one of
	// the backend's response, UpstreamCookie one of its cookies.
	SentField
	UpstreamField
	UpstreamCookie
	// Absent are variables of nginx that never have a value here.
	Absent
)

var finishedIDs = map[string]ID{
	"status": Status, "request": RequestLine, "request_length": RequestLength, "request_time": RequestTime,
	"request_completion": RequestCompletion, "body_bytes_sent": BodyBytesSent, "bytes_sent": BytesSent,
	"bytes_received": BytesReceived, "session_time": SessionTime, "protocol": Protocol,
	"time_local": TimeLocal, "time_iso8601": TimeISO8601, "msec": Msec,
	"connection": Connection, "connection_requests": ConnectionRequests, "connection_time": ConnectionTime,
	"server_addr": ServerAddr, "hostname": Hostname, "pid": PID, "http2": HTTP2,
	"proxy_alternative_upstream_name": AlternativeName,
	"upstream_addr":                   UpstreamAddr, "upstream_status": UpstreamStatus,
	"upstream_response_length": UpstreamResponseLength, "upstream_response_time": UpstreamResponseTime, "upstream_session_time": UpstreamResponseTime,
	"upstream_connect_time": UpstreamConnectTime, "upstream_header_time": UpstreamHeaderTime, "upstream_first_byte_time": UpstreamHeaderTime,
	"upstream_bytes_sent": UpstreamBytesSent, "upstream_bytes_received": UpstreamBytesReceived,
	"ssl_protocol": SSLProtocol, "ssl_cipher": SSLCipher, "ssl_curve": SSLCurve, "ssl_server_name": SSLServerName,
	"ssl_session_reused": SSLSessionReused, "ssl_alpn_protocol": SSLALPN,
	"ssl_client_verify": SSLClientVerify, "ssl_client_s_dn": SSLClientSubject, "ssl_client_i_dn": SSLClientIssuer,
	"ssl_client_raw_cert": SSLClientCert, "ssl_client_cert": SSLClientCert, "ssl_client_escaped_cert": SSLClientEscapedCert,
	"ssl_client_fingerprint": SSLClientFingerprint, "ssl_client_serial": SSLClientSerial,
	"ssl_client_v_start": SSLClientStart, "ssl_client_v_end": SSLClientEnd, "ssl_client_v_remain": SSLClientRemain,
}

// absentNames are variables that nginx knows and that have no value here: most
// of them have none in ingress-nginx either.
var absentNames = []string{
	"document_root", "realpath_root", "request_filename", "request_body", "request_body_file",
	"pipe", "gzip_ratio", "limit_rate", "limit_req_status", "limit_conn_status", "nginx_version",
	"upstream_cache_status", "upstream_cache_age", "upstream_cache_key", "upstream_cache_last_modified", "upstream_queue_time", "upstream_last_server_name",
	"tcpinfo_rtt", "tcpinfo_rttvar", "tcpinfo_snd_cwnd", "tcpinfo_rcv_space", "http3", "proxy_port",
	"ssl_ciphers", "ssl_curves", "ssl_early_data", "ssl_session_id", "ssl_sigalg",
	"ssl_client_s_dn_legacy", "ssl_client_i_dn_legacy", "ssl_preread_server_name", "ssl_preread_protocol", "ssl_preread_alpn_protocols",
	"connections_active", "connections_reading", "connections_writing", "connections_waiting",
	"balancer_ewma_score", "uid_got", "uid_set", "uid_reset", "geoip_country_code", "geoip_country_code3", "geoip_country_name",
	"geoip_city", "geoip_city_country_code", "geoip_city_country_name", "geoip_city_continent_code", "geoip_region", "geoip_region_name", "geoip_latitude", "geoip_longitude", "geoip_postal_code", "geoip_org",
}

// finishedPrefixes are variables with an argument.
var finishedPrefixes = []struct {
	prefix string
	id     ID
}{
	{"sent_http_", SentField},
	{"upstream_http_", UpstreamField},
	{"upstream_cookie_", UpstreamCookie},
	{"sent_trailer_", Absent},
	{"upstream_trailer_", Absent},
	{"proxy_protocol_tlv_", Absent},
}

// finished knows the variables of this file.
func finished(name string) (part, bool) {
	if id, ok := finishedIDs[name]; ok {
		return part{id: id}, true
	}
	for _, p := range finishedPrefixes {
		if arg, ok := strings.CutPrefix(name, p.prefix); ok && arg != "" {
			if p.id != UpstreamCookie {
				arg = strings.ToLower(arg)
			}
			return part{id: p.id, text: arg}, true
		}
	}
	for _, n := range absentNames {
		if n == name {
			return part{id: Absent, text: name}, true
		}
	}
	return part{}, false
}

// ParseLog reads a log format. Unlike Parse it makes something of every text:
// a variable that nginx does not have may be one that a snippet sets, and
// unknown names it, once; absent names those that nginx has and that have no value here.
func ParseLog(s string) (t *Text, unknown, absent []string) {
	t = &Text{source: s}
	for rest := s; rest != ""; {
		at := strings.IndexByte(rest, '$')
		if at < 0 {
			t.add(rest)
			break
		}
		name, after := cutName(rest[at+1:])
		if name == "" {
			t.add(rest[:at+1])
			rest = rest[at+1:]
			continue
		}
		t.add(rest[:at])
		rest = after
		p, ok := named(name)
		switch {
		case !ok:
			p = part{id: User, text: name} // which a snippet may set
			unknown = addOnce(unknown, name)
		case p.id == Absent:
			absent = addOnce(absent, name)
		}
		t.parts = append(t.parts, p)
	}
	return t, unknown, absent
}

func addOnce(list []string, name string) []string {
	for _, have := range list {
		if have == name {
			return list
		}
	}
	return append(list, name)
}

// Literal is the id of the pieces of a text that are no variables.
const Literal = literal

// Parts calls f for each piece of the text, in order: a literal, or a variable
// with its argument.
func (t *Text) Parts(f func(id ID, literal, arg string)) {
	for _, p := range t.parts {
		if p.id == literal {
			f(literal, p.text, "")
		} else {
			f(p.id, "", p.text)
		}
	}
}
