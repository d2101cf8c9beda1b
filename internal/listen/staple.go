package listen

// Staple sends an OCSP answer along with the certificate of a fingerprint from
// the next handshake on; nil takes it away. Certificates that there are not are
// left alone. The answer must not be written to afterwards.
func (c *Certificates) Staple(fingerprint string, answer []byte) {
	p := c.index.Load().byPrint[fingerprint]
	if p == nil {
		return
	}
	t := p.certificate()
	if answer == nil || t == nil {
		p.stapled.Store(nil)
		return
	}
	with := *t
	with.OCSPStaple = answer
	p.stapled.Store(&with)
}
