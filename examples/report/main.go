// Command report merges the records that the programs of a collaboration wrote
// with -record, and writes them as one HTML page or as a Mermaid sequence
// diagram.
//
//	go run ./examples/report -out report.html publisher.record consumer.record
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/cleanroom-go/sdk/examples/internal/party"
	"github.com/cleanroom-go/sdk/examples/internal/terminal"
	"github.com/cleanroom-go/sdk/record"
)

func main() {
	err := run(os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "report:", err)
	}
	os.Exit(party.ExitCode(err))
}

func run(args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("report", flag.ContinueOnError)
	out := flags.String("out", "", "`file` to write (default: standard output)")
	mermaid := flags.Bool("mermaid", false, "write a Mermaid sequence diagram instead of a page")
	title := flags.String("title", "", "`heading` of the page")
	flags.SetOutput(io.Discard)
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stderr, "usage: report [flags] record...\n\nMerges the records of a run and shows them.\n\nflags:\n")
		terminal.Flags(stderr, flags)
		fmt.Fprintln(stderr, "\nexit codes: 0 done, 1 failed, 2 usage")
		return err
	} else if err != nil {
		return &party.UsageError{Err: err}
	}
	if flags.NArg() == 0 {
		return &party.UsageError{Err: errors.New("no record given; -h explains")}
	}
	var files []io.Reader
	for _, name := range flags.Args() {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		files = append(files, f)
	}
	all, err := record.Read(files...)
	if err != nil {
		return err
	}
	w := stdout
	if *out != "" {
		f, err := os.Create(*out)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		w = f
	}
	if *mermaid {
		return all.WriteMermaid(w)
	}
	return all.WriteHTML(w, &record.PageOptions{Title: *title})
}
