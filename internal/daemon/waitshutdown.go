package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// WaitShutdown asks the controller of this container to stop and returns when
// it has: the preStop hook of ingress-nginx's manifests. It looks for the
// other process that runs the same file.
func WaitShutdown(ctx context.Context) error {
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		return err
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		other, err := os.Stat(filepath.Join("/proc", entry.Name(), "exe"))
		if err != nil || !os.SameFile(self, other) {
			continue
		}
		return stopAndWait(ctx, pid)
	}
	return errors.New("no running controller found in this container")
}

func stopAndWait(ctx context.Context, pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, unix.SIGTERM, nil, 0); err != nil {
		return fmt.Errorf("stop process %d: %w", pid, err)
	}
	for ctx.Err() == nil {
		const millis = 200 // to notice the end of ctx
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, millis)
		if n > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for process %d: %w", pid, err)
		}
	}
	return ctx.Err()
}
