package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/examples/internal/steps"
)

// childWord as the first argument makes this program play one party, in a
// process of its own that shares no memory with the others.
const childWord = "play-party"

// line is what a child writes to its standard output, in JSON: a step, or how
// a run of its program ended.
type line struct {
	steps.Step
	Done   bool          `json:"done,omitempty"`
	Failed string        `json:"failed,omitempty"`
	Usage  bool          `json:"usage,omitempty"`
	Denied *denialReport `json:"denied,omitempty"`
	// Progress is how far a transfer is, for a person at the demo's terminal.
	Progress *datasink.Progress `json:"progress,omitempty"`
}

// child is a party's process, seen from the demo. Its program is run with the
// arguments that come in as lines of JSON; it ends when they end.
type child struct {
	party string
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
	said  *tail
	// progress is nil where nobody looks.
	progress func(datasink.Progress)
}

// spawn starts the process of a party. env is its whole environment.
func (s *scenario) spawn(ctx context.Context, name, join, dir string, env []string) (*child, error) {
	args := []string{childWord, "-party", name, "-join", join}
	if s.config.verbose {
		args = append(args, "-v")
	}
	if s.config.report != "" {
		args = append(args, "-record", s.recordFile(name))
	}
	if s.progress != nil {
		args = append(args, "-progress")
	}
	cmd := exec.CommandContext(ctx, s.self, args...)
	cmd.Env, cmd.Dir = env, dir
	cmd.Cancel = func() error {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			return cmd.Process.Kill() // a system without interrupts
		}
		return nil
	}
	cmd.WaitDelay = 5 * time.Second
	c := &child{party: name, cmd: cmd, said: &tail{}, progress: s.progress}
	cmd.Stderr = c.said
	if s.config.verbose {
		cmd.Stderr = io.MultiWriter(c.said, &prefixer{w: s.stderr, prefix: fmt.Sprintf("%-11s | ", name)})
	}
	var err error
	if c.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.lines = bufio.NewScanner(out)
	c.lines.Buffer(nil, 1<<20)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the process of the %s: %w", name, err)
	}
	return c, nil
}

// run has the child run its program once, forwards its steps to write and
// returns the values that they carried. A denial comes back as
// [deniedByChild].
func (c *child) run(ctx context.Context, args []string, write func(steps.Step)) (map[string]string, error) {
	if err := json.NewEncoder(c.in).Encode(args); err != nil {
		return nil, c.died(ctx, err)
	}
	values := map[string]string{}
	for c.lines.Scan() {
		var l line
		if err := json.Unmarshal(c.lines.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("the %s said %q instead of a step", c.party, c.lines.Text())
		}
		switch {
		case l.Progress != nil:
			if c.progress != nil {
				c.progress(*l.Progress)
			}
			continue
		case l.Done:
			return values, nil
		case l.Denied != nil:
			return nil, &deniedByChild{*l.Denied}
		case l.Failed != "" && l.Usage:
			return nil, usagef("%s", l.Failed)
		case l.Failed != "":
			return nil, errors.New(l.Failed)
		}
		for name, v := range l.Values {
			values[name] = v
		}
		l.Values = nil
		write(l.Step)
	}
	return nil, c.died(ctx, c.lines.Err())
}

// died explains why the child says nothing any more, or nothing that can be
// read: then it is ended, since nobody reads what it goes on to say.
func (c *child) died(ctx context.Context, err error) error {
	if c.lines.Err() != nil {
		_ = c.cmd.Process.Kill() // an error means that it has ended
	}
	if waitErr := c.close(); waitErr != nil {
		err = waitErr
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if said := c.said.text(); len(said) > 0 {
		return fmt.Errorf("the process of the %s ended: %w: %s", c.party, err, said)
	}
	return fmt.Errorf("the process of the %s ended: %w", c.party, err)
}

// close ends the child and waits for it.
func (c *child) close() error {
	_ = c.in.Close() // a second close reports that it is one
	return c.cmd.Wait()
}

// runChild is the child's side.
func runChild(ctx context.Context, args []string) (err error) {
	fs := flag.NewFlagSet(childWord, flag.ContinueOnError)
	name := fs.String("party", "", "publisher, consumer or room")
	join := fs.String("join", "", "join file")
	verbose := fs.Bool("v", false, "show exchanges")
	progress := fs.Bool("progress", false, "tell how far transfers are")
	recordTo := fs.String("record", "", "file for the record")
	if err := fs.Parse(args); err != nil {
		return &toldError{2, err}
	}
	p, err := joinAs(*name, *join, *recordTo, *verbose)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if *progress {
		p.options.Progress = tellProgress(os.Stdout, time.Now)
	}
	commands := readCommands(os.Stdin)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c, ok := <-commands:
			if !ok {
				return nil
			}
			if c.err != nil {
				return c.err
			}
			if err := say(*name, p.play(ctx, c.args)); err != nil {
				return err
			}
		}
	}
}

type command struct {
	args []string
	err  error
}

// readCommands reads in a goroutine of its own, which a signal need not wait
// for: the process ends, and with it the read.
func readCommands(r io.Reader) <-chan command {
	commands := make(chan command)
	go func() {
		defer close(commands)
		d := json.NewDecoder(r)
		for {
			var c command
			if c.err = d.Decode(&c.args); errors.Is(c.err, io.EOF) {
				return
			}
			commands <- c
			if c.err != nil {
				return
			}
		}
	}()
	return commands
}

// tellProgress writes lines for the demo, at most ten a second and the end.
func tellProgress(w io.Writer, now func() time.Time) func(datasink.Progress) {
	var last time.Time
	return func(p datasink.Progress) {
		if t := now(); p.Done == p.Total || t.Sub(last) >= 100*time.Millisecond {
			last = t
			_ = json.NewEncoder(w).Encode(line{Progress: &p}) // the demo is gone, or will say so
		}
	}
}

// say writes how a run ended.
func say(name string, err error) error {
	l := line{Done: err == nil}
	if err != nil {
		l.Denied = reportDenial(name, err)
		l.Failed, l.Usage = err.Error(), isUsage(err)
	}
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	_, err = fmt.Printf("%s\n", b)
	return err
}

// tail keeps the last bytes that were written to it: what a program that
// crashed said before it did.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

const tailSize = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - tailSize; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

func (t *tail) text() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.TrimSpace(t.kept)
}

// prefixer puts a prefix before each line.
type prefixer struct {
	w      io.Writer
	prefix string
	inside bool
}

func (x *prefixer) Write(p []byte) (int, error) {
	for part := range bytes.Lines(p) {
		if !x.inside {
			if _, err := io.WriteString(x.w, x.prefix); err != nil {
				return 0, err
			}
		}
		if _, err := x.w.Write(part); err != nil {
			return 0, err
		}
		x.inside = part[len(part)-1] != '\n'
	}
	return len(p), nil
}
