// Package canonical turns host names and paths into the one form that router,
// TLS selection, translation and metrics compare (H3.5, H3.7, H3.8).
//
//	host, ok := canonical.Host(buf, authority) // "Shop.Example:8443" → "shop.example"
//	path, ok := canonical.Path(buf, rawPath)   // "/a//b/../c%20d"    → "/a/c d"
//
// Functions are pure and do not allocate when the caller's buffer is large
// enough. Input that is canonical already is returned as it is, without a
// copy. They know nothing of routes.
package canonical
