//go:build !race

package daemuntest

// raceFlags are empty: the tests do not look for data races.
func raceFlags() []string { return nil }
