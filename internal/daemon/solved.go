package daemon

import "daemun/internal/ir"

// logSolved tells the log of problems that went, as logProblems does of those
// that came.
func (d *controller) logSolved(gone []ir.Problem) {
	logged := 0
	for _, p := range gone {
		if p.Severity == ir.SeverityNotice {
			continue
		}
		if logged++; logged > maxLogged {
			d.logger.Info("more problems solved", "problems", len(gone)-maxLogged)
			return
		}
		d.logger.Info("solved: " + p.String())
	}
}
