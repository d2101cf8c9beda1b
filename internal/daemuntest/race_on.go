//go:build race

package daemuntest

// raceFlags make the built program look for data races when the tests do: it
// then ends with an error after it has found one.
func raceFlags() []string { return []string{"-race"} }
