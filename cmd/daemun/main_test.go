package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.uber.org/goleak"

	"daemun/internal/daemuntest"
)

// bin holds the built program; set once, before any test runs.
var bin string

func TestMain(m *testing.M) {
	// The signals are watched as long as the process lives.
	os.Exit(daemuntest.Main(m, &bin, nil, goleak.IgnoreTopFunction("daemun/cmd/daemun.interrupts.func1"), goleak.IgnoreTopFunction("os/signal.loop")))
}

// commands are all commands that a user meets, with their path.
func commands(cmd *cobra.Command) []*cobra.Command {
	list := []*cobra.Command{cmd}
	for _, sub := range cmd.Commands() {
		list = append(list, commands(sub)...)
	}
	return list
}

// TestHelp wants examples and one line about what it is for in the help of
// every command, and a sentence for every flag.
func TestHelp(t *testing.T) {
	t.Parallel()
	for _, cmd := range commands(rootCommand(nil)) {
		t.Run(cmd.CommandPath(), func(t *testing.T) { // not parallel: commands share their parents' flags
			if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
				t.Errorf("short help %q: want one line without a full stop", cmd.Short)
			}
			if !strings.Contains(cmd.Example, "daemun ") {
				t.Errorf("example %q: want one that can be copied", cmd.Example)
			}
			for _, line := range strings.Split(strings.TrimRight(cmd.Example, "\n"), "\n") {
				if !strings.HasPrefix(line, "  ") {
					t.Errorf("example line %q: want two blanks in front", line)
				}
			}
			for line := range strings.Lines(cmd.LocalFlags().FlagUsagesWrapped(0)) {
				if fields := strings.Fields(line); len(fields) < 3 {
					t.Errorf("flag %q has no sentence", line)
				}
			}
			var out bytes.Buffer
			if code := run(append(strings.Fields(cmd.CommandPath())[1:], "--help"), strings.NewReader(""), &out, &out); code != 0 || !strings.Contains(out.String(), "Examples:") {
				t.Errorf("exit code %d:\n%s", code, &out)
			}
		})
	}
}

// TestWrongCommandLines lists command lines that mean nothing: one line that
// says why, where to read more, exit code 2, nothing on standard output.
func TestWrongCommandLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, says, see string }{
		{"bogus", `unknown command "bogus"`, "daemun"},
		{"gt", `unknown command "gt"; did you mean get?`, "daemun"},
		{"--bogus", "unknown flag: --bogus", "daemun"},
		{"up --bogus", "unknown flag: --bogus", "daemun up"},
		{"get pods --bogus", "unknown flag: --bogus", "daemun get"},
		{"explain --bogus", "unknown flag: --bogus", "daemun explain"},
		{"lint --bogus", "unknown flag: --bogus", "daemun lint"},
		{"logs --bogus", "unknown flag: --bogus", "daemun logs"},
		{"version --bogus", "unknown flag: --bogus", "daemun version"},
		{"version now", "now", "daemun version"},
		{"get", "name a KIND, one of pods, services", "daemun get"},
		{"get pods a b", `"b" is one argument too many: name a KIND`, "daemun get"},
		{"get horses", `unknown kind "horses"; known are pods, services`, "daemun get"},
		{"get podz", "did you mean pods?", "daemun get"},
		{"get deploy", "of workloads the Pods are listed", "daemun get"},
		{"get pods --no-header", "did you mean --no-headers?", "daemun get"},
		{"describe pod web", "did you mean get?", "daemun"},
		{"top pods", `"pods": want routes or backends`, "daemun top"},
		{"get pods -o xml", `--output "xml": want wide, json, yaml or name`, "daemun get"},
		{"explain", "name a URL", "daemun explain"},
		{"explain -o xml http://x/", `--output "xml": want json`, "daemun explain"},
		{"lint -o xml", `--output "xml": want json or sarif`, "daemun lint"},
		{"lint --severity fatal", `--severity "fatal": want error, warning or notice`, "daemun lint"},
		{"lint --dry-run", "--dry-run: only with --fix", "daemun lint"},
		{"lint --fix -", "--fix: want files to mend", "daemun lint"},
		{"lint --failure-threshold fatal", `--failure-threshold "fatal": want error, warning or notice`, "daemun lint"},
		{"logs", "name a Pod", "daemun logs"},
		{"logs a b", `"b" is one argument too many: name a Pod`, "daemun logs"},
		{"logs a --tail many", `--tail "many": want a number`, "daemun logs"},
		{"logs a --since -1s", "--since -1s: want a time from 0", "daemun logs"},
		{"logs ingress/web", `"ingress/web": want a Pod, or a workload such as deploy/web`, "daemun logs"},
		{"up --http-port many", `--http-port "many": want a number`, "daemun up"},
		{"up --http-port 65536", "--http-port 65536: want a port from 0 to 65535", "daemun up"},
		{"up --https-port -1", "--https-port -1: want a port from 0 to 65535", "daemun up"},
		{"up --cluster-domain bad_domain", `--cluster-domain "bad_domain": want a DNS name such as cluster.local`, "daemun up"},
		{"up --image web", `--image "web": want NAME=PATH`, "daemun up"},
		{"up --pod-network 127.0.0.1", "want a network such as 127.244.0.0/16", "daemun up"},
		{"up --drain-timeout 5", `--drain-timeout "5": want a time such as 10s or 5m`, "daemun up"},
		{"up --admin-address nowhere --healthz-port 1", "--admin-address", "daemun up"},
	} {
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			code := run(strings.Fields(c.line), strings.NewReader(""), &stdout, &stderr)
			first, rest, _ := strings.Cut(stderr.String(), "\n")
			if code != 2 || stdout.Len() > 0 || !strings.HasPrefix(first, "daemun: ") || !strings.Contains(first, c.says) || rest != fmt.Sprintf("See %q.\n", c.see+" --help") {
				t.Errorf("exit code %d, standard output %q, standard error:\n%s\nwant 2 and %q", code, &stdout, &stderr, c.says)
			}
		})
	}
}

// TestFlagsFromEnvironment sets every flag of every command by its variable.
func TestFlagsFromEnvironment(t *testing.T) {
	for _, cmd := range commands(rootCommand(nil)) {
		for _, f := range flagNames(cmd) {
			variable := "DAEMUN_" + strings.ToUpper(strings.ReplaceAll(f, "-", "_"))
			t.Run(cmd.CommandPath()+" "+variable, func(t *testing.T) {
				value := otherValue(cmd.Flags().Lookup(f))
				t.Setenv(variable, value)
				fresh, _, err := rootCommand(nil).Find(strings.Fields(cmd.CommandPath())[1:])
				if err != nil {
					t.Fatal(err)
				}
				if err := flagsFromEnv(fresh); err != nil {
					t.Fatal(err)
				}
				if got := strings.Trim(fresh.Flags().Lookup(f).Value.String(), "[]"); got != value {
					t.Errorf("value %q, want %q", got, value)
				}
				fresh, _, err = rootCommand(nil).Find(strings.Fields(cmd.CommandPath())[1:])
				if err != nil {
					t.Fatal(err)
				}
				fresh.Flags().Lookup(f).Changed = true // given on the command line
				if err := flagsFromEnv(fresh); err != nil {
					t.Fatal(err)
				}
				if got := strings.Trim(fresh.Flags().Lookup(f).Value.String(), "[]"); got == value {
					t.Errorf("the variable won over the command line")
				}
			})
		}
	}
}

// otherValue is one that is not the default.
func otherValue(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "bool":
		return strconv.FormatBool(f.DefValue != "true")
	case "int", "int64":
		return "7"
	case "float64Slice":
		return "7.000000"
	case "duration":
		return "7s"
	case "CIDR":
		return "127.7.0.0/16"
	}
	return "seven"
}

func flagNames(cmd *cobra.Command) (names []string) {
	for line := range strings.Lines(cmd.LocalFlags().FlagUsagesWrapped(0)) {
		if _, after, ok := strings.Cut(line, "--"); ok {
			names = append(names, strings.Fields(after)[0])
		}
	}
	return names
}
