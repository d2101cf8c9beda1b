package faults

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// wallClock is the clock of the wall of programs that are built for it. It is
// set while they run; their monotonic clock is left alone, as with the clock of
// a machine.
//
// It is a file that the programs map: they read how many seconds they are off.
type wallClock struct {
	t       *testing.T
	file    *os.File
	overlay string // for go build
}

// clockVariable names the file.
const clockVariable = "DAEMUN_TEST_CLOCK"

// nowOfGo is how time.Now begins, and nowOfTest what stands in its place.
const (
	nowOfGo   = "\tsec, nsec, mono := runtimeNow()\n\tif mono == 0 {\n\t\treturn Time{uint64(nsec), sec + unixToInternal, Local}"
	nowOfTest = "\tsec, nsec, mono := runtimeNow()\n\tsec += wallShift()\n\tif mono == 0 {\n\t\treturn Time{uint64(nsec), sec + unixToInternal, Local}"

	importsOfGo   = "import (\n\t\"errors\"\n\t\"math/bits\"\n\t_ \"unsafe\" // for go:linkname\n)\n"
	importsOfTest = "import (\n\t\"errors\"\n\t\"math/bits\"\n\t\"sync/atomic\"\n\t\"syscall\"\n\t\"unsafe\"\n)\n"

	shiftOfTest = `
var wallShifted = mapWallShift()

func mapWallShift() *atomic.Int64 {
	name, ok := syscall.Getenv("` + clockVariable + `")
	if !ok {
		return nil
	}
	fd, err := syscall.Open(name, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		panic(name + ": " + err.Error())
	}
	defer syscall.Close(fd)
	b, err := syscall.Mmap(fd, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic(name + ": " + err.Error())
	}
	return (*atomic.Int64)(unsafe.Pointer(&b[0]))
}

func wallShift() int64 {
	if wallShifted == nil || runtimeIsBubbled() {
		return 0
	}
	return wallShifted.Load()
}
`
)

// newWallClock makes a clock that goes right, and what programs are built with.
func newWallClock(t *testing.T) *wallClock {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	original := filepath.Join(strings.TrimSpace(string(root)), "src/time/time.go")
	b, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, change := range [][2]string{{importsOfGo, importsOfTest}, {nowOfGo, nowOfTest}} {
		if strings.Count(text, change[0]) != 1 {
			t.Fatalf("%s (%s) does not have this text once; the test has to follow what has become of time.Now:\n%s", original, runtime.Version(), change[0])
		}
		text = strings.Replace(text, change[0], change[1], 1)
	}
	dir := t.TempDir()
	c := &wallClock{t: t, overlay: filepath.Join(dir, "overlay.json")}
	changed := filepath.Join(dir, "time.go")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {original: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{changed: text + shiftOfTest, c.overlay: string(list)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if c.file, err = os.Create(filepath.Join(dir, "clock")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.file.Close() })
	c.set(0)
	return c
}

// flags are those of go build and go test for programs that follow the clock.
func (c *wallClock) flags() []string { return []string{"-overlay", c.overlay} }

// env names the clock to such a program.
func (c *wallClock) env() string { return clockVariable + "=" + c.file.Name() }

// set puts the clock so far from the right time.
func (c *wallClock) set(off time.Duration) {
	c.t.Helper()
	// One write of eight octets, which are one word for those that map them.
	if _, err := c.file.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(int64(off/time.Second))), 0); err != nil {
		c.t.Fatal(err)
	}
}

// jump is one way to set the clock.
type jump struct {
	name string
	off  time.Duration
}

// jumps are those that clocks without a battery and wrong time servers make.
func jumps() []jump {
	return []jump{
		{"a day ahead", 24 * time.Hour},
		{"a day back", -24 * time.Hour},
		{"to 1970", time.Until(time.Date(1970, 1, 1, 1, 0, 0, 0, time.UTC))},
		{"to 2100", time.Until(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))},
		{"to the right time", 0},
	}
}
