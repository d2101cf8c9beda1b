// Package canonical turns host names and paths into the one form that router,
// TLS selection, translation and metrics compare (H3.5, H3.7, H3.8).
//
// Functions are pure, append to the caller's buffer and do not allocate when
// it is large enough. They know nothing of routes.
package canonical
