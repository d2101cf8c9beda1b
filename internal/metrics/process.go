package metrics

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// Process describes the own process, under the names that ingress-nginx uses
// for its workers.
type Process struct {
	CPU                   time.Duration // user and system
	ResidentBytes         uint64
	VirtualBytes          uint64
	ReadBytes, WriteBytes uint64
	StartTime             time.Time
}

func processGroup(read func() (Process, error)) group {
	p := namespace + "_nginx_process_"
	return group{
		metrics: []metric{
			{name: p + "num_procs", help: "Number of processes; Daemun is one.", kind: gauge},
			{name: p + "cpu_seconds_total", help: "CPU time used.", kind: counter},
			{name: p + "resident_memory_bytes", help: "Resident memory.", kind: gauge},
			{name: p + "virtual_memory_bytes", help: "Virtual memory.", kind: gauge},
			{name: p + "read_bytes_total", help: "Octets read by system calls.", kind: counter},
			{name: p + "write_bytes_total", help: "Octets written by system calls.", kind: counter},
			{name: p + "oldest_start_time_seconds", help: "When the process started, in seconds since 1970.", kind: gauge},
		},
		collect: func(emit emitter) {
			s, err := read()
			if err != nil {
				return // absent, as Prometheus wants what is not known
			}
			emit(0, 1)
			emit(1, s.CPU.Seconds())
			emit(2, float64(s.ResidentBytes))
			emit(3, float64(s.VirtualBytes))
			emit(4, float64(s.ReadBytes))
			emit(5, float64(s.WriteBytes))
			emit(6, float64(s.StartTime.UnixMilli())/1000)
		},
	}
}

// clockTicks is USER_HZ, 100 on every Linux that Go runs on.
const clockTicks = 100

// ReadProcess reads the figures of this process from /proc. Those it cannot
// read are zero; without /proc it fails.
func ReadProcess() (Process, error) {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return Process{}, err
	}
	system, err := os.ReadFile("/proc/stat")
	if err != nil {
		return Process{}, err
	}
	p, err := parseProcess(stat, system)
	if err != nil {
		return Process{}, err
	}
	if io, err := os.ReadFile("/proc/self/io"); err == nil { // not readable in every container
		p.ReadBytes, _ = lineValue(io, "rchar: ")
		p.WriteBytes, _ = lineValue(io, "wchar: ")
	}
	return p, nil
}

// parseProcess reads /proc/PID/stat and the boot time from /proc/stat
// (proc_pid_stat(5)).
func parseProcess(stat, system []byte) (Process, error) {
	// The name in parentheses may hold anything, also parentheses.
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return Process{}, errors.New("process statistics: no name")
	}
	fields := bytes.Fields(stat[end+1:]) // from field 3 on
	number := func(n int) uint64 {
		if n-3 >= len(fields) {
			return 0
		}
		v, _ := strconv.ParseUint(string(fields[n-3]), 10, 64)
		return v
	}
	if len(fields) < 22 {
		return Process{}, fmt.Errorf("process statistics: %d fields after the name", len(fields))
	}
	boot, ok := lineValue(system, "btime ")
	if !ok {
		return Process{}, errors.New("system statistics: no btime")
	}
	const tick = time.Second / clockTicks
	return Process{
		CPU:           time.Duration(number(14)+number(15)) * tick,
		StartTime:     time.Unix(int64(boot), 0).Add(time.Duration(number(22)) * tick),
		VirtualBytes:  number(23),
		ResidentBytes: number(24) * uint64(os.Getpagesize()),
	}, nil
}

// lineValue returns the number after a prefix at the start of a line.
func lineValue(text []byte, prefix string) (uint64, bool) {
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte(prefix)); ok {
			v, err := strconv.ParseUint(string(bytes.TrimSpace(rest)), 10, 64)
			return v, err == nil
		}
	}
	return 0, false
}
