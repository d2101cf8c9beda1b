// Package examples holds manifests a newcomer runs first. Each folder has a
// README with commands and what they print; the tests of this package run
// them.
package examples
