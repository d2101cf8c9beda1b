//go:build race

package daemuntest

// RaceFlags are flags for BuildTo that make the program look for data races
// when the tests do: it then ends with an error after it has found one.
func RaceFlags() []string { return []string{"-race"} }
