package annotation

import "slices"

// rows is the table. To support another annotation give it a row with a
// parser, and a field of Values (or ir.Policies) that the
// parser writes. It is never written.
var rows = slices.Concat(
	redirectRows, proxyingRows, ownRows, balanceRows, accessRows, errorRows, oldRows,
)

// byName finds a row by its name or alias.
var byName = indexRows()

func indexRows() map[string]int {
	m := make(map[string]int, len(rows))
	for i := range rows {
		m[rows[i].Name] = i
		for _, a := range rows[i].Aliases {
			m[a] = i
		}
	}
	return m
}
