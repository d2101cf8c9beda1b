// Command bench compares Daemun with nginx, HAProxy, Caddy and
// httputil.ReverseProxy on one machine in one run and writes tables of ratios.
//
// The proxy under test has one core to itself; load generator and backend
// share the other. All write an access log to a file, keep connections to the
// backend, and set the same forwarding fields. What counts is CPU time of the
// proxy per request and requests per second, as ratios: absolute figures
// depend on the machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"daemun/bench/lab"
	"daemun/bench/section"
)

// rig is a lab with what the parts of this comparison share.
type rig struct {
	*lab.Lab
	*lab.Options
	profiles       bool
	backend, calls string   // the backend's addresses for HTTP/1.1 and for gRPC
	callsHTTPS     string   // and for gRPC of a proxy that passes the scheme on
	failures       []string // what Daemun failed
}

// part is one section of the results.
type part struct {
	name  string
	write func(*rig) (string, error)
}

// parts are in the order of the results.
func parts() []part {
	return []part{{"http", (*rig).compare}, {"policies", (*rig).policies}, {"swaps", (*rig).swaps}, {"scale", (*rig).scaleSection}}
}

func main() {
	log.SetFlags(0)
	o := lab.Flags()
	names := flag.String("parts", "http,policies,swaps,scale", "which parts to measure")
	profiles := flag.Bool("profiles", true, "profile Daemun with perf in the cells where it is not clearly ahead")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, strings.Split(*names, ","), *profiles); err != nil {
		log.Fatal("bench: ", err)
	}
}

func run(ctx context.Context, o *lab.Options, names []string, profiles bool) error {
	l, err := lab.New(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	r := &rig{Lab: l, Options: o, profiles: profiles}
	if err := r.prepare(); err != nil {
		return err
	}
	for _, p := range parts() {
		if !slices.Contains(names, p.name) {
			continue
		}
		text, err := p.write(r)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if err := r.publish(text); err != nil {
			return err
		}
	}
	if err := r.include(boundsFile); err != nil {
		return err
	}
	if len(r.failures) > 0 {
		return errors.New("failed cells:\n" + strings.Join(r.failures, "\n"))
	}
	return nil
}

// publish prints a part and puts it into the results, section by section. A
// choice of cells changes no file.
func (l *rig) publish(text string) error {
	fmt.Print(text)
	if l.Only != "" || text == "" {
		return nil
	}
	if err := section.Head(l.Out, head()); err != nil {
		return err
	}
	for _, one := range section.Split(text) {
		if err := section.Replace(l.Out, one); err != nil {
			return err
		}
	}
	return nil
}

// boundsFile is written by hand, from the profiles.
const boundsFile = "bench/BOUNDS.md"

// include puts a section that is a file of its own into the results.
func (l *rig) include(name string) error {
	if l.Only != "" {
		return nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return section.Replace(l.Out, string(text))
}

// fail says that a proxy failed a cell. A peer that cannot do one is a result
// like any other; Daemun has to do all.
func (l *rig) fail(cell, proxy, why string) {
	text := fmt.Sprintf("%s, %s: %s", cell, proxy, why)
	log.Print("FAILED: ", text)
	if proxy == ours {
		l.failures = append(l.failures, text)
	}
}
