// Command demo plays a whole clean room collaboration on this machine: a
// ledger, two parties, their vaults and storage, attestation, a room and a
// PostgreSQL, with the real protocols between them. Where the server programs of
// PostgreSQL are not installed, a stand-in takes its place, and the run says so.
//
//	go run ./examples/demo
//	go run ./examples/demo -dsn 'postgres://user@host/db?sslmode=verify-full&sslrootcert=ca.pem'
//	go run ./examples/demo -deny host-data
//	go run ./examples/demo -report report.html
//
// Exit codes: 0 the output was downloaded and is what the room reported,
// 1 something failed, 2 usage, 3 denied.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/cleanroom-go/sdk/examples/internal/party"
	"github.com/cleanroom-go/sdk/examples/internal/terminal"
	"github.com/cleanroom-go/sdk/internal/check"
)

// denials are the values of -deny.
var denials = []string{"host-data", "consent", "vote", "template"}

// formats are the values of -format.
var formats = []string{"sealed", "cpk"}

type config struct {
	out      string
	dsn      string
	insecure bool
	verbose  bool
	json     bool
	deny     string
	format   string
	report   string
}

func usagef(format string, a ...any) error {
	return &party.UsageError{Err: fmt.Errorf(format, a...)}
}

func main() {
	// A closed pipe must be a failed write, not the end of the process, or
	// what the run has started would have to be found and stopped later.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	var err error
	if len(os.Args) > 1 && os.Args[1] == childWord {
		err = runChild(ctx, os.Args[2:])
	} else {
		err = runDemo(ctx, os.Args[1:])
	}
	code := exitCode(ctx, err)
	stop()
	os.Exit(code)
}

// exitCode says what went wrong, unless that was said before, and turns the
// error into the process's exit code.
func exitCode(ctx context.Context, err error) int {
	var (
		usage *party.UsageError
		told  *toldError
		tidy  *tidyError
	)
	if errors.As(err, &tidy) {
		fmt.Fprintln(os.Stderr, "demo:", check.Printable(tidy.Error()))
	}
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &told):
		return told.code
	case errors.As(err, &usage):
		fmt.Fprintln(os.Stderr, "demo:", check.Printable(usage.Error()))
		return 2
	case tidy != nil && err == error(tidy):
		return 1
	case ctx.Err() != nil && tidy == nil:
		fmt.Fprintln(os.Stderr, "demo: interrupted; nothing is left behind")
		return 1
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "demo: interrupted")
		return 1
	}
	fmt.Fprintln(os.Stderr, "demo:", oneLine(err))
	return 1
}

// oneLine is an error for a person. Its text may be another party's.
func oneLine(err error) string {
	const most = 2000
	text := strings.Join(strings.Fields(err.Error()), " ")
	if len(text) > most {
		text = text[:most] + "..."
	}
	return check.Printable(text)
}

// toldError is a failure that the reader knows about already.
type toldError struct {
	code int
	err  error
}

func (e *toldError) Error() string { return e.err.Error() }
func (e *toldError) Unwrap() error { return e.err }

func runDemo(ctx context.Context, args []string) error {
	var c config
	fs := flag.NewFlagSet("demo", flag.ContinueOnError)
	fs.StringVar(&c.out, "out", "", "`folder` for output.txt and the room's log (default: a new temporary folder)")
	fs.StringVar(&c.dsn, "dsn", "", "`URL` of a PostgreSQL with a table users(id, first_name, gender, ...); the password comes from PGPASSWORD or PGPASSFILE (default: a temporary server with sample data, or a stand-in where no PostgreSQL is installed)")
	fs.BoolVar(&c.insecure, "insecure-dsn-tls", false, "accept an sslmode below verify-full in -dsn")
	fs.StringVar(&c.deny, "deny", "", "play a `case` that ends in a denial: "+strings.Join(denials, ", "))
	fs.StringVar(&c.format, "format", "sealed", "`how` the output is encrypted: "+strings.Join(formats, ", "))
	fs.StringVar(&c.report, "report", "", "`file` for a page that shows the run: who called whom, votes, checks, counts; also of a denial")
	fs.BoolVar(&c.verbose, "v", false, "show every HTTP exchange, without its secrets, and count requests")
	fs.BoolVar(&c.json, "json", false, "print the steps as JSON lines")
	fs.SetOutput(io.Discard) // what is wrong is told once, by the error
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "usage: demo [flags]\n\nPlays a whole clean room collaboration on this machine.\n\nflags:")
		terminal.Flags(os.Stderr, fs)
		fmt.Fprintln(os.Stderr, "\nexit codes: 0 done, 1 failed, 2 usage, 3 denied")
		return err
	} else if err != nil {
		return usagef("%w; -h lists the flags", err)
	}
	empty := ""
	fs.Visit(func(f *flag.Flag) {
		if f.Value.String() == "" {
			empty = f.Name
		}
	})
	switch {
	case empty != "":
		return usagef("-%s is empty", empty)
	case fs.NArg() > 0:
		return usagef("unexpected argument %q; -h lists the flags", fs.Arg(0))
	case c.deny != "" && !slices.Contains(denials, c.deny):
		return usagef("-deny %q: want one of %s", c.deny, strings.Join(denials, ", "))
	case !slices.Contains(formats, c.format):
		return usagef("-format %q: want one of %s", c.format, strings.Join(formats, ", "))
	case c.insecure && c.dsn == "":
		return usagef("-insecure-dsn-tls goes with -dsn")
	}
	return play(ctx, c)
}
