// Package faults breaks one running Daemun in one way after the other. After
// each fault everything must be as before it: goroutines, descriptors, buffers
// and connections back at their base line, no panic counted, and the next
// honest request served. It knows the program by what users see of it.
package faults
