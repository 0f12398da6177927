package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/examples/internal/party"
	"github.com/cleanroom-go/sdk/examples/internal/query"
	"github.com/cleanroom-go/sdk/examples/internal/steps"
	"github.com/cleanroom-go/sdk/examples/internal/terminal"
	"github.com/cleanroom-go/sdk/internal/redact"
	"github.com/cleanroom-go/sdk/record"
)

const contractID = "collab1-db"

// scenario is one run of the demo.
type scenario struct {
	config   config
	self     string   // this program
	dir      string   // all of the run that is no result, removed at its end
	out      string   // for results
	staging  string   // in out: results before the run has ended well
	made     []string // folders above out that were not there, the innermost first
	env      *cleanroomtest.Env
	db       *target
	children map[string]*child
	stderr   io.Writer
	started  time.Time
	dbTime   time.Duration // that the start of the database took
	report   *steps.Reporter
	record   *record.Recorder // of what no party does; nil unless -report
	recorded bytes.Buffer
	progress func(datasink.Progress) // nil where nobody looks
}

// play runs the whole collaboration and tidies up after it.
func play(ctx context.Context, c config) (err error) {
	s, err := newScenario(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.tidy(err)) }()
	if err := s.reportable(); err != nil {
		return err
	}
	if err := s.target(ctx); err != nil {
		return err
	}
	if err := s.folders(); err != nil {
		return err
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	values, err := s.collaborate(ctx)
	if ctx.Err() == nil {
		if err := s.writeReport(); err != nil {
			return err
		}
	}
	var denied *deniedByChild
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &denied):
		s.explain(denied.report)
		return &toldError{3, err}
	case err != nil:
		return err
	case c.deny != "":
		return fmt.Errorf("-deny %s: the run should have been denied, and was not", c.deny)
	}
	if err := s.keepResults(); err != nil {
		return err
	}
	return errors.Join(s.summary(values), s.report.Err())
}

func newScenario(c config) (*scenario, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &scenario{
		config: c, self: self, children: map[string]*child{}, started: time.Now(), stderr: &lockedWriter{w: os.Stderr},
		report: steps.New(os.Stdout, steps.Options{JSON: c.json, Verbose: c.verbose, Colours: terminal.Colours(os.Stdout)}),
	}
	if draw := party.Progress(os.Stderr); draw != nil && !c.json {
		var one sync.Mutex // both parties may transfer at the same time
		s.progress = func(p datasink.Progress) {
			one.Lock()
			defer one.Unlock()
			draw(p)
		}
	}
	return s, nil
}

// target looks at the database that the user has named, if any.
func (s *scenario) target(ctx context.Context) (err error) {
	if s.config.dsn == "" {
		return nil
	}
	if s.db, err = parseDSN(s.config.dsn, s.config.insecure, os.Getenv); err != nil {
		return err
	}
	return s.db.check(ctx)
}

// folders makes the folders of the run. That for results is tried first:
// whoever cannot write there should know before anything is started.
func (s *scenario) folders() error {
	temp, err := filepath.Abs(os.TempDir()) // the parties work in folders of their own
	if err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp(temp, "cleanroom-demo-run-"); err != nil {
		return fmt.Errorf("the folder for temporary files cannot be used; set TMPDIR: %w", err)
	}
	for _, name := range []string{"shared", steps.Publisher, steps.Consumer, steps.Room} {
		if err := os.Mkdir(s.path(name), 0o700); err != nil {
			return err
		}
	}
	if s.config.out == "" {
		if s.out, err = os.MkdirTemp(temp, "cleanroom-demo-"); err == nil {
			s.made = []string{s.out}
		}
	} else if s.out, err = filepath.Abs(s.config.out); err == nil {
		s.made, err = makeFolders(s.out)
	}
	if err == nil {
		s.staging, err = os.MkdirTemp(s.out, ".cleanroom-demo-")
	}
	if err == nil {
		err = errors.Join(os.Mkdir(s.staged(steps.Publisher), 0o700), os.Mkdir(s.staged(steps.Consumer), 0o700))
	}
	if err == nil {
		err = s.overwritable()
	}
	if err != nil {
		return fmt.Errorf("-out: the folder for results cannot be used: %w", err)
	}
	return nil
}

// makeFolders makes a folder and those above it, and says which were not there.
func makeFolders(dir string) (made []string, err error) {
	for missing := dir; ; missing = filepath.Dir(missing) {
		if _, err := os.Stat(missing); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		made = append(made, missing)
	}
	return made, os.MkdirAll(dir, 0o755)
}

// staged is where a party's results lie before the run has ended well: each
// has a folder of its own, so that neither can replace what is the other's.
func (s *scenario) staged(party string) string { return filepath.Join(s.staging, party) }

// results are the files that a run leaves, by the party that downloads them.
var results = []struct{ party, name string }{{steps.Consumer, query.File}, {steps.Publisher, party.LogFile}}

// overwritable refuses places of results that are taken by something else.
func (s *scenario) overwritable() error {
	for _, r := range results {
		info, err := os.Lstat(filepath.Join(s.out, r.name))
		if err == nil && info.IsDir() {
			return fmt.Errorf("%s is a folder", filepath.Join(s.out, r.name))
		}
	}
	return nil
}

// start brings up the local environment.
func (s *scenario) start(ctx context.Context) (err error) {
	if s.env, err = cleanroomtest.Start(ctx, nil); err != nil {
		return err
	}
	if s.db == nil {
		before := time.Now()
		d, err := s.env.StartDatabase(ctx)
		kind := ", a temporary server with sample data"
		if errors.Is(err, cleanroomtest.ErrNoPostgreSQL) {
			kind = ", with sample data: no PostgreSQL is installed here; -dsn takes one that runs elsewhere"
			d, err = s.env.StartStandIn()
		}
		if err != nil {
			return err
		}
		s.dbTime = time.Since(before)
		s.db = &target{
			Host: d.Host, Port: d.Port, Name: d.Name, User: d.User, SSLMode: "verify-full", RootPEM: d.RootPEM, Password: d.Password(),
			Label: d.Version + kind, StandIn: d.StandIn,
		}
	}
	if len(s.db.RootPEM) > 0 {
		if err := os.WriteFile(s.path("db_ca.pem"), s.db.RootPEM, 0o644); err != nil {
			return err
		}
	}
	s.step(steps.Local, "the services of Azure and the ledger are emulated on loopback; database: "+s.db.Label)
	return nil
}

// keepResults moves what was downloaded to its place, now that it is known to
// be right.
func (s *scenario) keepResults() error {
	for _, r := range results {
		if err := os.Rename(filepath.Join(s.staged(r.party), r.name), filepath.Join(s.out, r.name)); err != nil {
			return err
		}
	}
	return nil
}

// tidy ends the processes first: they still use what comes after.
func (s *scenario) tidy(failure error) error {
	var errs []error
	for _, c := range s.children {
		// How a child ended was told by what it said; an interrupt also ends it.
		_ = c.close()
	}
	if s.env != nil {
		errs = append(errs, s.env.Close())
	}
	if s.db != nil {
		redact.Clear(s.db.Password)
	}
	for _, dir := range []string{s.dir, s.staging} {
		if dir != "" {
			errs = append(errs, os.RemoveAll(dir))
		}
	}
	if failure != nil {
		for _, dir := range s.made { // the innermost first; whoever has put something in keeps it
			if err := os.Remove(dir); err != nil {
				break
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return &tidyError{err}
	}
	return nil
}

// tidyError says that something may be left behind.
type tidyError struct{ err error }

func (e *tidyError) Error() string { return "tidying up: " + e.err.Error() }
func (e *tidyError) Unwrap() error { return e.err }

func (s *scenario) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

func (s *scenario) step(party, text string, features ...int) {
	s.record.Add(record.Entry{Step: &record.Step{Text: text}})
	s.report.Write(steps.Step{Party: party, Text: text, Features: features})
}

// lockedWriter takes one write at a time.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
