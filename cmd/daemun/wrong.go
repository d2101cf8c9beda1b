package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"daemun/internal/nearest"
)

// many is any number of arguments.
const many = math.MaxInt

// arguments1to wants one argument at least and most at the most; what says in
// words what they are.
func arguments1to(most int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return errors.New("name " + what)
		case len(args) > most:
			return fmt.Errorf("%q is one argument too many: name %s", args[most], what)
		}
		return nil
	}
}

// flagError says what would have been right for a flag.
func flagError(cmd *cobra.Command, err error) error {
	if unknown := (*pflag.NotExistError)(nil); errors.As(err, &unknown) {
		if near := nearest.Name(unknown.GetSpecifiedName(), shownFlags(cmd)); near != "" {
			return fmt.Errorf("%w; did you mean --%s?", err, near)
		}
		return err
	}
	wrong := (*pflag.InvalidValueError)(nil)
	if !errors.As(err, &wrong) {
		return err
	}
	want, number := "", (*strconv.NumError)(nil)
	switch kind := wrong.GetFlag().Value.Type(); {
	case kind == "bool":
		want = "true or false"
	case kind == "duration":
		want = "a time such as 10s or 5m"
	case errors.As(err, &number):
		want = "a number"
	default: // a type of ours, which says it itself
		return err
	}
	return fmt.Errorf("--%s %q: want %s", wrong.GetFlag().Name, wrong.GetValue(), want)
}

// shownFlags are the flags that help shows.
func shownFlags(cmd *cobra.Command) (names []string) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return names
}

// oneOf wants no argument, or one of a few words.
func oneOf(words ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs)(cmd, args) != nil {
			return fmt.Errorf("%q: want %s", strings.Join(args, " "), strings.Join(words, " or "))
		}
		return nil
	}
}
