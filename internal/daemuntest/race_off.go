//go:build !race

package daemuntest

// RaceFlags are flags for BuildTo that make the program look for data races
// when the tests do; these do not.
func RaceFlags() []string { return nil }
