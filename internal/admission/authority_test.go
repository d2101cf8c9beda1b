package admission

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"
)

// calls says whether an API server that trusts the authorities of trusted at
// that time believes what serving serves.
func calls(t *testing.T, trusted, serving Issued, name string, now time.Time) error {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(trusted.Authorities) {
		t.Fatal("no authorities")
	}
	pair, err := tls.X509KeyPair(serving.Certificate, serving.Key)
	if err != nil {
		t.Fatal(err)
	}
	_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return err
}

func renew(t *testing.T, old Issued, now time.Time) Issued {
	t.Helper()
	next, err := Renew(old, "daemun", now)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func TestIssuedCertificateIsForTheServicesOfTheNamespace(t *testing.T) {
	t.Parallel()
	now := time.Now()
	i := renew(t, Issued{}, now)
	for _, name := range []string{"daemun-controller-admission.daemun.svc", "localhost", "127.0.0.1", "::1"} {
		if err := calls(t, i, i, name, now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"web.shop.svc", "a.b.daemun.svc", "example.com"} {
		if err := calls(t, i, i, name, now); err == nil {
			t.Errorf("it is good for %s", name)
		}
	}
}

func TestWhatIsGoodStays(t *testing.T) {
	t.Parallel()
	now := time.Now()
	i := renew(t, Issued{}, now)
	if !renew(t, i, now.Add(certificateLife/2)).Equal(i) {
		t.Error("a good certificate was replaced")
	}
}

// TestNoCallFailsInThirtyYears: however long an API server takes to hear of new
// authorities, up to half a day, it believes every certificate that is served.
func TestNoCallFailsInThirtyYears(t *testing.T) {
	t.Parallel()
	start := time.Now()
	serving := renew(t, Issued{}, start)
	trusted := serving
	authorities, certificates := 1, 1
	for day := 0; day < 30*365; day += 20 {
		for half := range 4 { // two days, step by step
			now := start.Add(time.Duration(24*day+12*half) * time.Hour)
			next := renew(t, serving, now)
			if string(next.Authorities) != string(serving.Authorities) {
				authorities++
			}
			if string(next.Certificate) != string(serving.Certificate) {
				certificates++
			}
			serving = next
			if err := calls(t, trusted, serving, "admission.daemun.svc", now); err != nil {
				t.Fatalf("after %v: %v", now.Sub(start), err)
			}
			trusted = serving // it has heard of them by the next step
		}
	}
	if authorities < 3 || authorities > 6 || certificates < 30 || certificates > 70 {
		t.Errorf("%d authorities, %d certificates", authorities, certificates)
	}
}

func TestWhatCannotBeUsedIsMadeAnew(t *testing.T) {
	t.Parallel()
	now := time.Now()
	good := renew(t, Issued{}, now)
	other := renew(t, Issued{}, now)
	elsewhere, err := Renew(Issued{}, "elsewhere", now)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		old Issued
		// keeps: the authority stays, so that nobody has to be told.
		keeps bool
	}{
		"no key of the authority":           {Issued{good.Certificate, good.Key, good.Authorities, nil}, false},
		"the key of another authority":      {Issued{good.Certificate, good.Key, good.Authorities, other.AuthorityKey}, false},
		"an authority that is none":         {Issued{good.Certificate, good.Key, good.Certificate, good.Key}, false},
		"no certificate":                    {Issued{nil, nil, good.Authorities, good.AuthorityKey}, true},
		"another certificate's key":         {Issued{good.Certificate, other.Key, good.Authorities, good.AuthorityKey}, true},
		"a certificate of another":          {Issued{other.Certificate, other.Key, good.Authorities, good.AuthorityKey}, true},
		"a certificate for other Services":  {elsewhere, true},
		"text":                              {Issued{[]byte("a"), []byte("b"), []byte("c"), []byte("d")}, false},
		"an authority that has expired":     {renew(t, Issued{}, now.Add(-authorityLife-time.Hour)), false},
		"a certificate that is almost over": {renew(t, Issued{}, now.Add(-certificateLife*3/4)), true},
	} {
		next := renew(t, c.old, now)
		if err := calls(t, next, next, "admission.daemun.svc", now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if kept := string(next.Authorities) == string(c.old.Authorities); kept != c.keeps {
			t.Errorf("%s: the authority was kept: %v", name, kept)
		}
	}
}

// FuzzIssued: whatever a Secret holds, it is used or replaced.
func FuzzIssued(f *testing.F) {
	now := time.Unix(1_800_000_000, 0)
	good, err := Renew(Issued{}, "daemun", now)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good.Certificate, good.Key, good.Authorities, good.AuthorityKey)
	f.Add([]byte("a"), []byte("b"), good.Authorities, good.AuthorityKey)
	f.Fuzz(func(t *testing.T, certificate, key, authorities, authorityKey []byte) {
		next, err := Renew(Issued{certificate, key, authorities, authorityKey}, "daemun", now)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tls.X509KeyPair(next.Certificate, next.Key); err != nil {
			t.Error(err)
		}
	})
}
