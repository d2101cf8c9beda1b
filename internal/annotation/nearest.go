package annotation

import "daemun/internal/nearest"

// nearestName returns the known annotation that name is most likely a
// misspelling of, or "".
func nearestName(name string) string {
	var known []string
	for i := range rows {
		if rows[i].Support != Obsolete {
			known = append(known, rows[i].Name)
		}
	}
	return nearest.Name(name, known)
}
