package standalone

import "golang.org/x/sys/unix"

// machineMemory is the machine's memory in octets, 0 when it cannot be read.
func machineMemory() int64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0
	}
	return int64(info.Totalram) * int64(info.Unit)
}
