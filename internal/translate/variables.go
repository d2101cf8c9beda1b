package translate

import (
	"slices"

	"daemun/internal/snippet"
	"daemun/internal/variable"
)

// variablesFor are the variables that snippets make for an Ingress with some
// annotations.
func (t *Translator) variablesFor(annotations map[string]string) []string {
	known := t.settings.snippets.declared
	for _, name := range []string{"configuration-snippet", "server-snippet"} {
		if text := annotations[t.options.AnnotationsPrefix+"/"+name]; text != "" {
			known = append(slices.Clip(known), snippet.Read(snippet.Location|snippet.Server, text, snippet.Options{}).Sets...)
		}
	}
	return known
}

// isDeclared reports whether snippets make all variables of a log format that
// nginx has not.
func (s *settings) isDeclared(format string) bool {
	_, unknown, absent := variable.ParseLog(format)
	return len(absent) == 0 && !slices.ContainsFunc(unknown, func(name string) bool { return !slices.Contains(s.snippets.declared, name) })
}
