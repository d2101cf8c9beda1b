// Package codebase holds the tests about the code base itself: which package
// may import which, that packages say what they are, that documents fit the
// code. It has no code of its own.
package codebase
