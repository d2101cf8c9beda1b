package http1

// FieldID names the fields that Daemun handles itself; they are recognised
// while parsing, without regard to case. FieldOther is everything else.
type FieldID uint8

// The fields that have an id.
const (
	FieldOther FieldID = iota

	FieldHost
	FieldConnection
	FieldKeepAlive
	FieldProxyConnection
	FieldTE
	FieldTrailer
	FieldTransferEncoding
	FieldContentLength
	FieldUpgrade
	FieldExpect
	FieldProxyAuthenticate
	FieldProxyAuthorization
	FieldHTTP2Settings

	FieldProxy
	FieldXForwardedFor
	FieldXForwardedHost
	FieldXForwardedPort
	FieldXForwardedProto
	FieldXForwardedScheme
	FieldXForwardedPrefix
	FieldXForwardedForProxyProtocol
	FieldXScheme
	FieldXRealIP
	FieldXRequestID
	FieldXOriginalForwardedFor
	FieldXOriginalForwardedHost
	FieldXOriginalURI
	FieldForwarded

	FieldAuthorization
	FieldWWWAuthenticate
	FieldAuthenticationInfo
	FieldProxyAuthenticationInfo
	FieldCookie
	FieldSetCookie
	FieldOrigin
	FieldAccept
	FieldAcceptEncoding
	FieldUserAgent
	FieldReferer
	FieldServer
	FieldDate
	FieldLocation
	FieldRefresh
	FieldRetryAfter
	FieldStrictTransportSecurity
	FieldXPoweredBy
	FieldSecWebSocketKey
	FieldSecWebSocketAccept
	FieldSecWebSocketVersion
	FieldSecWebSocketProtocol

	FieldContentType
	FieldContentEncoding
	FieldContentRange
	FieldContentLocation
	FieldCacheControl
	FieldExpires
	FieldAge
	FieldPragma
	FieldVary
	FieldWarning
	FieldETag
	FieldLastModified
	FieldRange
	FieldMaxForwards

	FieldXAccelRedirect
	FieldXAccelBuffering
	FieldXAccelLimitRate
	FieldXAccelExpires
	FieldXAccelCharset

	fieldCount
)

// fieldFlags are the standing properties of a field.
type fieldFlags uint8

const (
	// hopField always ends at this hop (H4.1).
	hopField fieldFlags = 1 << iota
	// keptField is not removed because Connection names it (H4.2).
	keptField
	// noTrailer is dropped from trailers: framing, routing, authentication,
	// request control, caching and content description (H2.8, RFC 9110 §6.5.1).
	noTrailer
	// noted fields influence how the message is read.
	noted
)

// knownFields is the one table of fields with an id.
var knownFields = [fieldCount]struct {
	name  string // lower case
	flags fieldFlags
}{
	FieldHost:               {"host", keptField | noTrailer | noted},
	FieldConnection:         {"connection", hopField | noTrailer | noted},
	FieldKeepAlive:          {"keep-alive", hopField | noTrailer},
	FieldProxyConnection:    {"proxy-connection", hopField | noTrailer},
	FieldTE:                 {"te", hopField | noTrailer},
	FieldTrailer:            {"trailer", hopField | noTrailer},
	FieldTransferEncoding:   {"transfer-encoding", hopField | noTrailer | noted},
	FieldContentLength:      {"content-length", keptField | noTrailer | noted},
	FieldUpgrade:            {"upgrade", hopField | noTrailer | noted},
	FieldExpect:             {"expect", keptField | noTrailer | noted},
	FieldProxyAuthenticate:  {"proxy-authenticate", hopField | noTrailer},
	FieldProxyAuthorization: {"proxy-authorization", hopField | noTrailer},
	FieldHTTP2Settings:      {"http2-settings", hopField | noTrailer},

	FieldProxy:                      {"proxy", noTrailer},
	FieldXForwardedFor:              {"x-forwarded-for", keptField | noTrailer},
	FieldXForwardedHost:             {"x-forwarded-host", keptField | noTrailer},
	FieldXForwardedPort:             {"x-forwarded-port", keptField | noTrailer},
	FieldXForwardedProto:            {"x-forwarded-proto", keptField | noTrailer},
	FieldXForwardedScheme:           {"x-forwarded-scheme", keptField | noTrailer},
	FieldXForwardedPrefix:           {"x-forwarded-prefix", keptField | noTrailer},
	FieldXForwardedForProxyProtocol: {"x-forwarded-for-proxy-protocol", keptField | noTrailer},
	FieldXScheme:                    {"x-scheme", keptField | noTrailer},
	FieldXRealIP:                    {"x-real-ip", keptField | noTrailer},
	FieldXRequestID:                 {"x-request-id", keptField | noTrailer},
	FieldXOriginalForwardedFor:      {"x-original-forwarded-for", keptField | noTrailer},
	FieldXOriginalForwardedHost:     {"x-original-forwarded-host", keptField | noTrailer},
	FieldXOriginalURI:               {"x-original-uri", keptField | noTrailer},
	FieldForwarded:                  {"forwarded", keptField | noTrailer},

	FieldAuthorization:           {"authorization", keptField | noTrailer},
	FieldWWWAuthenticate:         {"www-authenticate", noTrailer},
	FieldAuthenticationInfo:      {"authentication-info", noTrailer},
	FieldProxyAuthenticationInfo: {"proxy-authentication-info", noTrailer},
	FieldCookie:                  {"cookie", keptField | noTrailer},
	FieldSetCookie:               {"set-cookie", keptField | noTrailer},
	FieldOrigin:                  {"origin", keptField | noTrailer},
	FieldAccept:                  {"accept", noTrailer},
	FieldAcceptEncoding:          {"accept-encoding", noTrailer},
	FieldUserAgent:               {"user-agent", noTrailer},
	FieldReferer:                 {"referer", noTrailer},
	FieldServer:                  {"server", noTrailer},
	FieldDate:                    {"date", noTrailer},
	FieldLocation:                {"location", noTrailer},
	FieldRefresh:                 {"refresh", noTrailer},
	FieldRetryAfter:              {"retry-after", noTrailer},
	FieldStrictTransportSecurity: {"strict-transport-security", keptField | noTrailer},
	FieldXPoweredBy:              {"x-powered-by", noTrailer},
	FieldSecWebSocketKey:         {"sec-websocket-key", keptField | noTrailer},
	FieldSecWebSocketAccept:      {"sec-websocket-accept", keptField | noTrailer},
	FieldSecWebSocketVersion:     {"sec-websocket-version", keptField | noTrailer},
	FieldSecWebSocketProtocol:    {"sec-websocket-protocol", keptField | noTrailer},

	FieldContentType:     {"content-type", noTrailer},
	FieldContentEncoding: {"content-encoding", noTrailer},
	FieldContentRange:    {"content-range", noTrailer},
	FieldContentLocation: {"content-location", noTrailer},
	FieldCacheControl:    {"cache-control", noTrailer},
	FieldExpires:         {"expires", noTrailer},
	FieldAge:             {"age", noTrailer},
	FieldPragma:          {"pragma", noTrailer},
	FieldVary:            {"vary", noTrailer},
	FieldWarning:         {"warning", noTrailer},
	FieldETag:            {"etag", noTrailer},
	FieldLastModified:    {"last-modified", noTrailer},
	FieldRange:           {"range", noTrailer},
	FieldMaxForwards:     {"max-forwards", noTrailer},

	FieldXAccelRedirect:  {"x-accel-redirect", noTrailer},
	FieldXAccelBuffering: {"x-accel-buffering", noTrailer},
	FieldXAccelLimitRate: {"x-accel-limit-rate", noTrailer},
	FieldXAccelExpires:   {"x-accel-expires", noTrailer},
	FieldXAccelCharset:   {"x-accel-charset", noTrailer},
}

// String returns the name in lower case, "" for FieldOther.
func (id FieldID) String() string {
	if id >= fieldCount {
		return ""
	}
	return knownFields[id].name
}

// LookupField returns the id of a field name, FieldOther if it has none.
func LookupField[T ~string | ~[]byte](name T) FieldID {
	n := len(name)
	if n < 2 {
		return FieldOther
	}
	id := slots[slotOf(n, name[0], name[n-2], name[n-1])]
	if equalFold(name, knownFields[id].name) {
		return id
	}
	return FieldOther
}

// slots maps slotOf to the one field that may have this slot; no two known
// names share one, which newSlots verifies when the program starts.
var slots = newSlots()

const slotCount = 512

// slotOf mixes what tells the known names apart: the length, the first and the
// last two octets. Letters differ between the cases only in bit 5, which is
// masked. The factors were found by trying.
func slotOf(length int, first, last2, last byte) uint {
	const fold = ^uint(0x20)
	return (uint(length) + (uint(first)&fold)*19 + (uint(last)&fold)*29 + (uint(last2) & fold)) % slotCount
}

func newSlots() *[slotCount]FieldID {
	var table [slotCount]FieldID
	for id := FieldOther + 1; id < fieldCount; id++ {
		name := knownFields[id].name
		n := len(name)
		slot := &table[slotOf(n, name[0], name[n-2], name[n-1])]
		if *slot != FieldOther {
			panic("http1: " + name + " and " + knownFields[*slot].name + " share a slot; choose other factors")
		}
		*slot = id
	}
	return &table
}
