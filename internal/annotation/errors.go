package annotation

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// parseErrors reads "404,503".
func parseErrors(s string, v *Values) error {
	var list []int
	for text := range strings.SplitSeq(s, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 400 || n > 599 {
			return fmt.Errorf("holds %s, which is no status of an error: write numbers from 400 to 599 with commas between them", quote(text))
		}
		list = append(list, n)
	}
	slices.Sort(list)
	v.ErrorStatuses = slices.Compact(list)
	return nil
}
