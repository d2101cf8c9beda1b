package proxy

import "testing"

// TestForbidsKeeping: an answer of a service is kept unless it says one of three
// words, in any case and at any place.
func TestForbidsKeeping(t *testing.T) {
	t.Parallel()
	for value, forbids := range map[string]bool{
		"": false, "max-age=60": false, "public, max-age=60": false, "must-revalidate": false,
		"no-store": true, "No-Cache": true, "PRIVATE": true, "max-age=60, private": true, "public,no-cache=\"x\"": true,
	} {
		if got := forbidsKeeping([]byte(value)); got != forbids {
			t.Errorf("%q forbids it: %v", value, got)
		}
	}
}
