package variable

// PlacePrefix begins the names of the variables that databases about addresses
// have the values of.
const PlacePrefix = "geoip2_"

// places are those variables, without the prefix.
var places = map[string]bool{
	"country_code": true, "country_name": true, "country_geoname_id": true,
	"continent_code": true, "continent_name": true, "continent_geoname_id": true,
	"city_country_code": true, "city_country_name": true, "city_country_geoname_id": true,
	"city": true, "city_geoname_id": true, "postal_code": true, "dma_code": true, "latitude": true, "longitude": true, "time_zone": true,
	"region_code": true, "region_name": true, "region_geoname_id": true,
	"subregion_code": true, "subregion_name": true, "subregion_geoname_id": true,
	"city_continent_code": true, "city_continent_name": true,
	"asn": true, "org": true, "isp": true, "isp_org": true, "connection_type": true,
	"is_anon": true, "is_anonymous": true, "is_anonymous_vpn": true, "is_hosting_provider": true, "is_public_proxy": true, "is_tor_exit_node": true,
}

// Places returns the names of the variables about places, without their prefix.
func Places() map[string]bool { return places }
