package process

import (
	"context"
	"errors"
	"sync"
	"testing"
)

func TestExec(t *testing.T) {
	inModes(t, func(t *testing.T, rt *Runtime) {
		dir := t.TempDir()
		p, err := rt.Start(Spec{ID: "t/p/c", Argv: []string{"sleep", "1000"}, Env: []string{testPath, "X=y"}, WorkingDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		cases := []struct {
			script string
			limit  int
			code   int
			want   string
		}{
			{"echo $X; echo err >&2; exit 3", 100, 3, "y\nerr\n"},
			{"pwd", 1000, 0, dir + "\n"},
			{"echo 123456789", 4, 0, "1234"},
			{"seq 100000", 5, 0, "1\n2\n3"},
			{"echo x", 0, 0, ""},
			{"kill -9 $$", 10, 137, ""},
			{"exec >&- 2>&-; sleep 0.05; exit 9", 10, 9, ""},
			{"sleep 1000 & echo left", 10, 0, "left\n"},
		}
		var all sync.WaitGroup
		for _, c := range cases {
			all.Go(func() {
				code, out, err := p.Exec(t.Context(), []string{"sh", "-c", c.script}, c.limit)
				if code != c.code || string(out) != c.want || err != nil {
					t.Errorf("%s: got %d %q %v, want %d %q", c.script, code, out, err, c.code, c.want)
				}
			})
		}
		all.Wait()
		_, _, err = p.Exec(t.Context(), []string{"/no/such"}, 10)
		if want := `container t/p/c: exec "/no/such": no such file`; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if _, _, err = p.Exec(t.Context(), nil, 10); err == nil {
			t.Error("no error without a command")
		}
	})
}

func TestExecEndsWithContext(t *testing.T) {
	inModes(t, func(t *testing.T, rt *Runtime) {
		m := marker(t)
		p, err := rt.Start(Spec{ID: "t/p/c", Argv: []string{"sleep", "1000"}, Env: []string{testPath}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		answered := make(chan error, 1)
		go func() {
			_, _, err := p.Exec(ctx, []string{"sh", "-c", "sleep " + m + "; :"}, 10)
			answered <- err
		}()
		eventually(t, "the command runs", func() bool { return marked("sleep\x00"+m) == 1 })
		cancel()
		if err := <-answered; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		eventually(t, "the command is killed", func() bool { return marked(m) == 0 })
		if code, _, err := p.Exec(t.Context(), []string{"true"}, 10); code != 0 || err != nil {
			t.Errorf("next exec: %d %v", code, err)
		}
	})
}

func TestExecOfEndedContainer(t *testing.T) {
	inModes(t, func(t *testing.T, rt *Runtime) {
		p, err := rt.Start(Spec{ID: "t/p/c", Argv: []string{"sleep", "1000"}, Env: []string{testPath}})
		if err != nil {
			t.Fatal(err)
		}
		answered := make(chan error, 1)
		go func() {
			_, _, err := p.Exec(t.Context(), []string{"sh", "-c", "sleep 1000"}, 10)
			answered <- err
		}()
		p.Kill()
		if err := <-answered; !errors.Is(err, ErrEnded) {
			t.Errorf("during: got %v, want ErrEnded", err)
		}
		<-p.Done()
		if _, _, err := p.Exec(t.Context(), []string{"true"}, 10); !errors.Is(err, ErrEnded) {
			t.Errorf("after: got %v, want ErrEnded", err)
		}
	})
}
