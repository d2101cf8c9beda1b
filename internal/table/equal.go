package table

import (
	"reflect"
	"slices"

	"daemun/internal/ir"
)

// equalHost reports whether two host blocks have the same content. It names
// every field of ir.Host and of what it holds; TestEqualHostSeesEveryField
// fails for a field that is missing here, because that would keep an old
// configuration alive.
func equalHost(a, b *ir.Host) bool {
	return a.Name == b.Name &&
		a.Owner == b.Owner &&
		a.TLSRedirect == b.TLSRedirect &&
		slices.Equal(a.TLSAliases, b.TLSAliases) &&
		a.AppRoot == b.AppRoot &&
		a.RedirectTo == b.RedirectTo &&
		a.RegexMode == b.RegexMode &&
		a.Passthrough == b.Passthrough &&
		slices.Equal(a.Suites, b.Suites) &&
		equalDeep(a.ClientAuth, b.ClientAuth) &&
		equalDeep(a.Fields, b.Fields) &&
		equalDeep(a.Script, b.Script) &&
		slices.EqualFunc(a.Locations, b.Locations, equalLocation) &&
		reflect.DeepEqual(a.ErrorPages, b.ErrorPages) &&
		slices.Equal(a.Aliases, b.Aliases) &&
		slices.Equal(a.Certificates, b.Certificates) &&
		slices.EqualFunc(a.Routes, b.Routes, equalRoute)
}

func equalLocation(a, b *ir.Location) bool {
	return a.Match == b.Match && a.Pattern == b.Pattern && equalRoute(a.Route, b.Route)
}

func equalRoute(a, b *ir.Route) bool {
	return a == b || a.Path == b.Path &&
		a.PathType == b.PathType &&
		a.Match == b.Match &&
		a.Pattern == b.Pattern &&
		a.Ingress == b.Ingress &&
		a.Implicit == b.Implicit &&
		a.Service == b.Service &&
		a.ServicePort == b.ServicePort &&
		a.Backend == b.Backend &&
		a.FallbackBackend == b.FallbackBackend &&
		a.DefaultBackend == b.DefaultBackend &&
		a.Denied == b.Denied &&
		equalPointer(a.Canary, b.Canary) &&
		a.SetsAffinity == b.SetsAffinity &&
		slices.EqualFunc(a.Locations, b.Locations, equalLocation) &&
		equalPolicies(&a.Policies, &b.Policies)
}

func equalPolicies(a, b *ir.Policies) bool {
	return equalPointer(a.Redirect, b.Redirect) &&
		a.SSLRedirect == b.SSLRedirect &&
		a.ForceSSLRedirect == b.ForceSSLRedirect &&
		a.PreserveTrailingSlash == b.PreserveTrailingSlash &&
		equalPointer(a.Rewrite, b.Rewrite) &&
		a.ForwardedPrefix == b.ForwardedPrefix &&
		a.UpstreamVhost == b.UpstreamVhost &&
		a.Protocol == b.Protocol &&
		equalDeep(a.FastCGI, b.FastCGI) &&
		a.MaxBody == b.MaxBody &&
		a.RequestBuffering == b.RequestBuffering &&
		a.BodyMemory == b.BodyMemory &&
		equalPointer(a.ResponseBuffering, b.ResponseBuffering) &&
		a.ResponseHead == b.ResponseHead &&
		a.ConnectTimeout == b.ConnectTimeout &&
		a.SendTimeout == b.SendTimeout &&
		a.ReadTimeout == b.ReadTimeout &&
		a.Retry == b.Retry &&
		a.Proxying == b.Proxying &&
		a.AccessLog == b.AccessLog &&
		a.RelativeRedirects == b.RelativeRedirects &&
		equalDeep(a.CORS, b.CORS) &&
		equalDeep(a.Access, b.Access) &&
		equalDeep(a.BasicAuth, b.BasicAuth) &&
		equalDeep(a.ExternalAuth, b.ExternalAuth) &&
		equalPointer(a.Mirror, b.Mirror) &&
		equalDeep(a.Errors, b.Errors) &&
		a.SatisfyAny == b.SatisfyAny &&
		equalDeep(a.Limits, b.Limits) &&
		equalDeep(a.ZoneLimits, b.ZoneLimits) &&
		equalPointer(a.Bandwidth, b.Bandwidth) &&
		slices.Equal(a.ResponseFields, b.ResponseFields) &&
		equalDeep(a.Fields, b.Fields) &&
		equalDeep(a.Script, b.Script) &&
		equalDeep(a.MethodAccess, b.MethodAccess) &&
		reflect.DeepEqual(a.ErrorPages, b.ErrorPages) &&
		equalDeep(a.Substitution, b.Substitution) &&
		a.ConnectionField == b.ConnectionField &&
		equalPointer(a.CookieDomain, b.CookieDomain) &&
		equalPointer(a.CookiePath, b.CookiePath) &&
		slices.Equal(a.CookieFlags, b.CookieFlags) &&
		equalPointer(a.LocationPrefix, b.LocationPrefix) &&
		equalPointer(a.Firewall, b.Firewall) &&
		equalPointer(a.Trace, b.Trace)
}

// equalDeep is equalPointer for what holds slices and pointers itself.
func equalDeep[T any](a, b *T) bool {
	return a == b || a != nil && b != nil && reflect.DeepEqual(a, b)
}

// equalPointer compares what two pointers point to, or that both are nil.
func equalPointer[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
