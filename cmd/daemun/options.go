package main

import (
	"daemun/internal/backtrack"
	"daemun/internal/translate"
)

// translateOptions are the defaults, with the engine for expressions that the
// linear one cannot run.
func translateOptions() translate.Options {
	o := translate.DefaultOptions()
	o.Beyond = backtrack.Compile
	return o
}
