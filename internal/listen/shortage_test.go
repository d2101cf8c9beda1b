package listen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

const shortageEnv = "DAEMUN_LISTEN_SHORTAGE_HELPER"

// H11.10: without descriptors a listener neither spins nor ends; it turns
// clients away and serves again once there are some.
func TestH11_10DescriptorShortage(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The limit is that of a process, hence one of its own.
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), shortageEnv+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := func() string {
		t.Helper()
		var b strings.Builder
		one := make([]byte, 1)
		for {
			if _, err := stdout.Read(one); err != nil {
				t.Fatalf("helper: %v after %q", err, b.String())
			}
			if one[0] == '\n' {
				return b.String()
			}
			b.Write(one)
		}
	}
	addr := line()
	for range 3 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("not turned away: %v", err)
		}
		c.Close()
	}
	io.WriteString(stdin, "free\n")
	if got := line(); got != "freed" {
		t.Fatalf("helper said %q", got)
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(20 * time.Second))
	roundTrip(t, c, "served again")
	c.Close()
	stdin.Close()
	stats := line()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	var refused, failed, accepted int
	if _, err := fmt.Sscanf(stats, "refused %d failed %d accepted %d", &refused, &failed, &accepted); err != nil {
		t.Fatalf("%q: %v", stats, err)
	}
	if refused != 3 || accepted != 1 || failed < 1 || failed > 50 {
		t.Errorf("%s; want 3 refused, 1 accepted, few failed", stats)
	}
}

// shortageHelper is the process with few descriptors. It uses them all up,
// frees some when told to, and echoes connections.
func shortageHelper() int {
	syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 48, Max: 48})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	l, err := Listen(ctx, Config{Address: "127.0.0.1:0"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	done := make(chan error, 1)
	var hoard []*os.File
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		hoard = append(hoard, f)
	}
	go func() { done <- l.Serve(ctx, handlerFunc(echo)) }()
	fmt.Println(l.Addr())
	one := make([]byte, 5)
	if _, err := io.ReadFull(os.Stdin, one); err != nil {
		return 1
	}
	for _, f := range hoard {
		f.Close()
	}
	fmt.Println("freed")
	io.Copy(io.Discard, os.Stdin)
	cancel()
	if err := <-done; err != nil {
		return 1
	}
	s := l.Stats()
	fmt.Printf("refused %d failed %d accepted %d\n", s.Refused, s.AcceptErrors, s.Accepted)
	return 0
}
