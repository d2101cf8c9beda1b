//go:build race

package proxy

// raceDetector: with it a sync.Pool forgets at random, so allocations say
// nothing.
const raceDetector = true
