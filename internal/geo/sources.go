package geo

// source is where the value of a variable is.
type source struct {
	editions []string
	path     []any
}

var (
	country   = []string{"GeoLite2-Country", "GeoIP2-Country"}
	city      = []string{"GeoLite2-City", "GeoIP2-City"}
	asn       = []string{"GeoLite2-ASN", "GeoIP2-ASN", "GeoIP2-ISP"}
	isp       = []string{"GeoIP2-ISP"}
	anonymous = []string{"GeoIP2-Anonymous-IP"}
	wires     = []string{"GeoIP2-Connection-Type"}
)

func one(editions []string, path ...any) []source { return []source{{editions, path}} }

// sources are ingress-nginx's variables.
var sources = map[string][]source{
	"country_code":         one(country, "country", "iso_code"),
	"country_name":         one(country, "country", "names", "en"),
	"country_geoname_id":   one(country, "country", "geoname_id"),
	"continent_code":       one(country, "continent", "code"),
	"continent_name":       one(country, "continent", "names", "en"),
	"continent_geoname_id": one(country, "continent", "geoname_id"),

	"city_country_code":       one(city, "country", "iso_code"),
	"city_country_name":       one(city, "country", "names", "en"),
	"city_country_geoname_id": one(city, "country", "geoname_id"),
	"city":                    one(city, "city", "names", "en"),
	"city_geoname_id":         one(city, "city", "geoname_id"),
	"postal_code":             one(city, "postal", "code"),
	"dma_code":                one(city, "location", "metro_code"),
	"latitude":                one(city, "location", "latitude"),
	"longitude":               one(city, "location", "longitude"),
	"time_zone":               one(city, "location", "time_zone"),
	"region_code":             one(city, "subdivisions", 0, "iso_code"),
	"region_name":             one(city, "subdivisions", 0, "names", "en"),
	"region_geoname_id":       one(city, "subdivisions", 0, "geoname_id"),
	"subregion_code":          one(city, "subdivisions", 1, "iso_code"),
	"subregion_name":          one(city, "subdivisions", 1, "names", "en"),
	"subregion_geoname_id":    one(city, "subdivisions", 1, "geoname_id"),
	"city_continent_code":     one(city, "continent", "code"),
	"city_continent_name":     one(city, "continent", "names", "en"),

	"asn":             one(asn, "autonomous_system_number"),
	"org":             one(asn, "autonomous_system_organization"),
	"isp":             one(isp, "isp"),
	"isp_org":         one(isp, "organization"),
	"connection_type": one(wires, "connection_type"),

	"is_anon":             one(anonymous, "is_anonymous"),
	"is_anonymous":        one(anonymous, "is_anonymous"),
	"is_anonymous_vpn":    one(anonymous, "is_anonymous_vpn"),
	"is_hosting_provider": one(anonymous, "is_hosting_provider"),
	"is_public_proxy":     one(anonymous, "is_public_proxy"),
	"is_tor_exit_node":    one(anonymous, "is_tor_exit_node"),
}
