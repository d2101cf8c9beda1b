package standalone

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"regexp"

	"k8s.io/apimachinery/pkg/types"
)

// alphabet is the cluster's own for generated names: no vowels, so that no
// words appear, and no characters that look alike.
const alphabet = "bcdfghjklmnpqrstvwxz2456789"

// safeHash spells a 32-bit hash of s in n characters of the alphabet.
func safeHash(s string, n int) string {
	h := fnv.New64a()
	h.Write([]byte(s))
	sum := h.Sum64()
	out := make([]byte, n)
	for i := range out {
		out[i] = alphabet[sum%uint64(len(alphabet))]
		sum /= uint64(len(alphabet))
	}
	return string(out)
}

// hashOf names the content of a value: equal values, equal hashes.
func hashOf(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		// Kubernetes types marshal without error; a value that does not is
		// still given a name of its own.
		text = fmt.Append(nil, v)
	}
	return safeHash(string(text), 10)
}

// newUID returns a random identity in the usual form.
func newUID() types.UID {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return types.UID(s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:])
}

var plainName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// maxPlainName is compared and not part of the expression: each process, those
// of containers too, would spend a part of a millisecond on it at its start.
const maxPlainName = 202

func isPlainName(name string) bool { return len(name) <= maxPlainName && plainName.MatchString(name) }

// pathName turns a name from an object into one that is safe as a part of a
// path: nothing else of an object may choose a path (H9.6).
func pathName(name string) string {
	if isPlainName(name) {
		return name
	}
	return "x-" + safeHash(name, 13)
}

// dataKey are the keys of ConfigMaps and Secrets; they become file names.
var dataKey = regexp.MustCompile(`^[-._a-zA-Z0-9]+$`)

const maxDataKey = 253

func validKey(key string) bool {
	return len(key) <= maxDataKey && dataKey.MatchString(key) && key != "." && key != ".." && !(len(key) > 1 && key[:2] == "..")
}
