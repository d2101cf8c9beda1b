package process

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// procStat is what the process tree needs of /proc/PID/stat.
type procStat struct {
	pid, parent, session int
}

// procStatFrom parses the content of /proc/PID/stat:
// "PID (NAME) STATE PPID PGRP SESSION …". The name may hold blanks and
// parentheses, so fields count from the last one.
func procStatFrom(text []byte) (procStat, bool) {
	open, end := bytes.IndexByte(text, ' '), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return procStat{}, false
	}
	fields := bytes.Fields(text[end+1:])
	if len(fields) < 4 {
		return procStat{}, false
	}
	var s procStat
	var errs [3]error
	s.pid, errs[0] = strconv.Atoi(string(text[:open]))
	s.parent, errs[1] = strconv.Atoi(string(fields[1]))
	s.session, errs[2] = strconv.Atoi(string(fields[3]))
	return s, errs == [3]error{}
}

// allProcesses lists what /proc shows. Processes that vanish while it reads
// are left out.
func allProcesses() []procStat {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	var all []procStat
	for _, name := range names {
		if name[0] < '0' || name[0] > '9' {
			continue
		}
		text, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue
		}
		if s, ok := procStatFrom(text); ok {
			all = append(all, s)
		}
	}
	return all
}

// descendants returns the PIDs of everything below root, root itself not
// included.
func descendants(all []procStat, root int) []int {
	children := make(map[int][]int, len(all))
	for _, s := range all {
		children[s.parent] = append(children[s.parent], s.pid)
	}
	var found []int
	for next := []int{root}; len(next) > 0; next = next[1:] {
		for _, pid := range children[next[0]] {
			if pid != root {
				next, found = append(next, pid), append(found, pid)
			}
		}
		delete(children, next[0]) // visited once, even if PIDs were reused while /proc was read
	}
	return found
}

// killDescendants sends SIGKILL to everything below root.
func killDescendants(root int) {
	for _, pid := range descendants(allProcesses(), root) {
		_ = syscall.Kill(pid, syscall.SIGKILL) // gone already: what we want
	}
}

// killSession sends SIGKILL to all members of a session, for the case that a
// shim was killed alone and can no longer tell who its descendants were.
func killSession(session int) {
	for _, s := range allProcesses() {
		if s.session == session {
			_ = syscall.Kill(s.pid, syscall.SIGKILL)
		}
	}
}
