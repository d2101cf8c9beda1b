package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"daemun/internal/daemuntest"
)

// rcBash reads the script as a start file does. It is made for the package
// bash-completion, of which it needs one function; where that is not installed
// the test brings one.
const rcBash = `
PS1='ready> '
if [ -r /usr/share/bash-completion/bash_completion ]; then
	. /usr/share/bash-completion/bash_completion
else
	_get_comp_words_by_ref() {
		cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
	}
fi
source <(daemun completion bash)
`

const rcZsh = `
PS1='ready> '
autoload -U compinit
compinit -u -D
source <(daemun completion zsh)
`

// TestShellsComplete presses the tabulator in real shells: a command that is
// typed in part runs. A shell that is not installed is not tried (make check
// installs all three).
func TestShellsComplete(t *testing.T) {
	t.Parallel()
	for _, shell := range []struct {
		name, file, rc string
		args           []string
	}{
		{"bash", "bashrc", rcBash, []string{"--noprofile", "--rcfile", "bashrc", "-i"}},
		{"zsh", ".zshrc", rcZsh, []string{"-i"}},
	} {
		program, err := exec.LookPath(shell.name)
		if err != nil {
			t.Logf("not tried: %v", err)
			continue
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, shell.file), []byte(shell.rc), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(program, shell.args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "TERM=xterm", "HOME="+dir, "ZDOTDIR="+dir)
		term := daemuntest.OnTerminal(t, cmd)
		term.Until(shell.name+" reads", func(text string) bool { return strings.Contains(text, "ready> ") })
		term.Type("daemun versi\t\r")
		term.Until(shell.name+" has completed the command", func(text string) bool { return strings.Contains(text, "daemun "+version) })
		term.Type("exit\r")
		term.Ended()
	}
}

// TestFishCompletes: fish can say what it would offer.
func TestFishCompletes(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("fish")
	if err != nil {
		t.Logf("not tried: %v", err)
		return
	}
	for typed, want := range map[string]string{"daemun versi": "version\tPrint the version\n", "daemun get certificat": "certificates\n"} {
		cmd := exec.CommandContext(t.Context(), program, "--no-config", "-c", "daemun completion fish | source; complete -C "+`"`+typed+`"`)
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+t.TempDir())
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != want {
			t.Errorf("%s: %v %q, want %q", typed, err, out, want)
		}
	}
}
