package process

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// Mounts reports whether private mount namespaces work on this machine, and
// otherwise why not, for a notice. The first call finds out by trying, which
// takes some milliseconds; later calls remember.
func (r *Runtime) Mounts() (ok bool, reason string) {
	r.probe.Do(r.findIsolation)
	return r.isolation.mount, r.reason
}

// findIsolation tries isolations from the strongest to the weakest.
func (r *Runtime) findIsolation() {
	if r.cfg.NoNamespaces {
		r.reason = "namespaces are switched off"
		return
	}
	var first error
	for _, iso := range candidates(os.Geteuid()) {
		err := r.try(iso)
		if err == nil {
			r.isolation, r.reason = iso, ""
			return
		}
		if first == nil {
			first = err
		}
	}
	r.reason = fmt.Sprintf("private mount namespaces are not permitted here: %v%s", first, namespaceHint(os.ReadFile))
}

// candidates lists the isolations worth trying, from the strongest on. Root may do without a user
// namespace, but root inside a container may lack the capability and still be
// granted one.
func candidates(uid int) []isolation {
	unprivileged := []isolation{{user: true, mount: true, pid: true, uts: true}, {user: true, mount: true, pid: true}, {user: true, mount: true}}
	if uid != 0 {
		return unprivileged
	}
	return append([]isolation{{mount: true, pid: true, uts: true}, {mount: true, pid: true}, {mount: true}}, unprivileged...)
}

// try starts a shim that does everything but start a program: a mount at a
// missing target needs every permission that any mount needs.
func (r *Runtime) try(iso isolation) error {
	if err := r.begin(); err != nil {
		return err
	}
	defer r.active.Done()
	s, err := r.launch("probe", iso)
	var refused *os.PathError
	switch {
	case errors.Is(err, syscall.ENOSPC): // "no space left on device" would mislead
		return errors.New("no more namespaces may be created")
	case errors.As(err, &refused):
		return refused.Err
	case err != nil:
		return err
	}
	defer s.discard()
	_, err = s.request(startRequest{
		isolation: iso, probe: true,
		mounts: []Mount{{Source: "/", Target: "/daemun-probe/root", ReadOnly: true}},
	})
	var failed *StartError
	if errors.As(err, &failed) {
		return errors.New(failed.Text)
	}
	return err
}

// namespaceHint names the kernel setting that forbids namespaces, if one does.
func namespaceHint(read func(string) ([]byte, error)) string {
	settings := []struct{ path, name, forbids string }{
		{"/proc/sys/kernel/unprivileged_userns_clone", "kernel.unprivileged_userns_clone", "0"},
		{"/proc/sys/user/max_user_namespaces", "user.max_user_namespaces", "0"},
		{"/proc/sys/user/max_mnt_namespaces", "user.max_mnt_namespaces", "0"},
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "kernel.apparmor_restrict_unprivileged_userns", "1"},
	}
	for _, s := range settings {
		value, err := read(s.path)
		if err == nil && strings.TrimSpace(string(value)) == s.forbids {
			return fmt.Sprintf(" (%s is %s)", s.name, s.forbids)
		}
	}
	return ""
}
