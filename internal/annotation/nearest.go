package annotation

// nearest returns the known name with the smallest edit distance to name, or
// "" when none is near enough to be a likely slip.
func nearest(name string) string {
	if len(name) > 64 {
		return ""
	}
	best, limit := "", max(2, len(name)/3)+1
	for i := range rows {
		if rows[i].Support == Obsolete {
			continue
		}
		if d := distance(name, rows[i].Name); d < limit {
			best, limit = rows[i].Name, d
		}
	}
	return best
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
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
