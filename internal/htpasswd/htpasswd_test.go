package htpasswd

import (
	"testing"

	"daemun/internal/ir"
)

// TestForms checks the password "secret" against every form, made with
// openssl passwd and crypt(3).
func TestForms(t *testing.T) {
	t.Parallel()
	v := New([]ir.User{
		{Name: "bcrypt", Hash: "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"},
		{Name: "apr1", Hash: "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/"},
		{Name: "md5", Hash: "$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1"},
		{Name: "sha", Hash: "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="},
		{Name: "ssha", Hash: "{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0"},
		{Name: "sha256", Hash: "$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM."},
		{Name: "sha512", Hash: "$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG."},
		{Name: "plain", Hash: "{PLAIN}secret"},
		{Name: "plain", Hash: "{PLAIN}other"},
		{Name: "bare", Hash: "secret"},
		{Name: "empty", Hash: ""},
		{Name: "des", Hash: "rlcg0.fZequS."},
		{Name: "broken", Hash: "$6$rounds=x$y$z"},
		{Name: "broken2", Hash: "$5$$"},
		{Name: "broken3", Hash: "$apr1$"},
		{Name: "broken4", Hash: "$2y$99$x"},
	})
	for _, user := range []string{"bcrypt", "apr1", "md5", "sha", "ssha", "sha256", "sha512", "plain"} {
		if !v.Verify(user, "secret") {
			t.Errorf("%s: the password is not accepted", user)
		}
		if v.Verify(user, "Secret") || v.Verify(user, "") {
			t.Errorf("%s: another password is accepted", user)
		}
	}
	for _, user := range []string{"bare", "empty", "des", "broken", "broken2", "broken3", "broken4", "nobody", ""} {
		for _, password := range []string{"secret", "", "x"} {
			if v.Verify(user, password) {
				t.Errorf("%s: %q is accepted", user, password)
			}
		}
	}
	if v.Verify("plain", "other") {
		t.Error("the second line of a user counts")
	}
}

func FuzzVerify(f *testing.F) {
	for _, hash := range []string{"$2y$04$", "$apr1$a$b", "$6$rounds=5$a$b", "{SHA}x", "{SSHA}x", "{PLAIN}", ""} {
		f.Add(hash, "secret")
	}
	f.Fuzz(func(t *testing.T, hash, password string) {
		if len(hash) > 4 && (hash[:2] == "$2" || hash[:2] == "$5" || hash[:2] == "$6") && len(hash) > 12 {
			return // slow by intention
		}
		New([]ir.User{{Name: "u", Hash: hash}}).Verify("u", password)
	})
}
