package lab

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of CPU times in /proc, USER_HZ, which is 100 on every
// Linux architecture that Go supports.
const clockTick = time.Second / 100

// CPUTime is the CPU time of a process and its children so far.
func CPUTime(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	user, _ := strconv.ParseInt(string(f[11]), 10, 64)
	system, _ := strconv.ParseInt(string(f[12]), 10, 64)
	total := time.Duration(user+system) * clockTick
	for _, child := range children(pid) {
		if t, err := CPUTime(child); err == nil {
			total += t
		}
	}
	return total, nil
}

// Resident is the resident memory of a process and its children in MiB.
func Resident(pid int) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	total := 0.0
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			kib, _ := strconv.ParseFloat(f[1], 64)
			total = kib / 1024
		}
	}
	for _, child := range children(pid) {
		total += Resident(child)
	}
	return total
}

// children are those of the first thread: of programs that fork, not of those
// with threads.
func children(pid int) []int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	var list []int
	for _, f := range strings.Fields(string(b)) {
		if id, err := strconv.Atoi(f); err == nil {
			list = append(list, id)
		}
	}
	return list
}

// family is a process with all below it.
func family(pid int) []string {
	list := []string{strconv.Itoa(pid)}
	for _, child := range children(pid) {
		list = append(list, family(child)...)
	}
	return list
}
