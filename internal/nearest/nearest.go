// Package nearest finds the name that a misspelt one was meant to be.
//
// It turns a name and the known names into a guess and knows nothing of what
// they name.
package nearest

import (
	"math"
	"strings"
)

// longest bounds the work that a name from outside can cause.
const longest = 100

// Name returns the candidate that name is most likely a misspelling of,
// without regard to case, or "" when none is within a third of its length.
func Name(name string, candidates []string) string {
	best, limit := "", max(1, len(name)/3)+1
	for _, c := range candidates {
		if n := Distance(strings.ToLower(name), strings.ToLower(c)); n < limit {
			best, limit = c, n
		}
	}
	return best
}

// Distance is the number of octets to insert, remove or replace to make b of a
// (Levenshtein). Names of more than 100 octets are infinitely far apart.
func Distance(a, b string) int {
	if len(a) > longest || len(b) > longest {
		return math.MaxInt
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
