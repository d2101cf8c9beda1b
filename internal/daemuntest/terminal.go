package daemuntest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Terminal is a pseudo-terminal with a program on it. Its methods are safe for
// concurrent use.
type Terminal struct {
	t       testing.TB
	ours    *os.File
	program *exec.Cmd
	// done is closed when the program has ended and all that it wrote is read.
	done chan struct{}

	mu   sync.Mutex
	text bytes.Buffer
}

// OnTerminal starts a program on a terminal of 100 columns and 30 rows: all
// three of its files, and the keys that stop it. It is killed with the test.
// A machine without pseudo-terminals fails the test, and says so.
func OnTerminal(t testing.TB, cmd *exec.Cmd) *Terminal {
	t.Helper()
	ours, theirs, err := openTerminal()
	if err != nil {
		t.Fatalf("no pseudo-terminal: %v", err)
	}
	defer theirs.Close()
	term := &Terminal{t: t, ours: ours, program: cmd, done: make(chan struct{})}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		ours.Close()
		t.Fatal(err)
	}
	go term.read()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-term.done
		_ = cmd.Wait()
		ours.Close()
	})
	return term
}

func openTerminal() (ours, theirs *os.File, err error) {
	if ours, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		return nil, nil, err
	}
	fd := int(ours.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 100})
	}
	if err == nil {
		theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		ours.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// read collects what the program writes until nobody has the terminal open.
func (term *Terminal) read() {
	defer close(term.done)
	b := make([]byte, 4<<10)
	for {
		n, err := term.ours.Read(b)
		term.mu.Lock()
		term.text.Write(b[:n])
		term.mu.Unlock()
		if err != nil { // EIO when the last one has closed it
			return
		}
	}
}

// Text is all that the program has written.
func (term *Terminal) Text() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.text.String()
}

// Type types keys; "\x03" is Ctrl-C.
func (term *Terminal) Type(keys string) {
	term.t.Helper()
	if _, err := term.ours.WriteString(keys); err != nil {
		term.t.Fatal(err)
	}
}

// Until waits for a condition on the text.
func (term *Terminal) Until(what string, is func(text string) bool) {
	term.t.Helper()
	Eventually(term.t, time.Minute, what, func() error {
		if text := term.Text(); !is(text) {
			return fmt.Errorf("the terminal has %q", text)
		}
		return nil
	})
}

// Ended waits for the end of the program and returns its exit code and all that
// it wrote.
func (term *Terminal) Ended() (code int, text string) {
	term.t.Helper()
	select {
	case <-term.done:
	case <-time.After(time.Minute):
		term.t.Fatalf("the program does not end; the terminal has %q", term.Text())
	}
	var exit *exec.ExitError
	if err := term.program.Wait(); err != nil && !errors.As(err, &exit) {
		term.t.Fatal(err)
	}
	return term.program.ProcessState.ExitCode(), term.Text()
}

// Screen is what a text leaves on a terminal that is high and wide enough, for
// the few controls that Daemun uses: carriage return, home, clear to the end of
// the line and of the screen. Colours are left out.
func Screen(text string) string {
	lines, row, column := [][]rune{nil}, 0, 0
	for i := 0; i < len(text); {
		if rest, ok := strings.CutPrefix(text[i:], "\x1b["); ok {
			end := strings.IndexFunc(rest, func(r rune) bool { return r >= '@' })
			if end < 0 {
				break // the rest is on its way
			}
			switch rest[end] {
			case 'H':
				row, column = 0, 0
			case 'J':
				lines = lines[:row+1]
				lines[row] = lines[row][:min(column, len(lines[row]))]
			case 'K':
				lines[row] = lines[row][:min(column, len(lines[row]))]
			}
			i += 2 + end + 1
			continue
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		i += n
		switch r {
		case '\r':
			column = 0
		case '\n':
			row, column = row+1, 0
			if row == len(lines) {
				lines = append(lines, nil)
			}
		default:
			for len(lines[row]) <= column {
				lines[row] = append(lines[row], ' ')
			}
			lines[row][column] = r
			column++
		}
	}
	var all []string
	for _, l := range lines {
		all = append(all, strings.TrimRight(string(l), " "))
	}
	return strings.TrimRight(strings.Join(all, "\n"), "\n")
}

// Program is a command of an instance's daemun, to be put on a terminal.
func (d *Instance) Program(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(d.bin, "daemun"), args...)
	cmd.Dir = d.Dir
	cmd.Env = append(os.Environ(), "DAEMUN_ADMIN_ADDRESS="+d.Admin, "TERM=xterm")
	return cmd
}
