// Package party is the frame of the example programs: their flags, their
// clients, and what both parties do alike. What a program does with them
// stands in the program.
package party

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/examples/internal/query"
	"github.com/cleanroom-go/sdk/examples/internal/steps"
	"github.com/cleanroom-go/sdk/examples/internal/terminal"
	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/internal/wirelog"
	"github.com/cleanroom-go/sdk/record"
)

// SecretName is the name under which the publisher describes the database in
// the ledger; the consumer puts its id into the document before it is there.
const SecretName = "dbconfig"

// LogFile is what the room exports its log as.
const LogFile = query.Application + ".log"

// Options are what the caller of a program decides instead of its flags. The
// zero value is a program of its own against the real services. They may serve
// several runs, one after the other.
type Options struct {
	// Credential is the party's Azure account; nil means the usual chain of
	// environment, workload identity, managed identity and command line.
	Credential azcore.TokenCredential
	// Client are the options of every Azure client.
	Client azcore.ClientOptions
	// DialContext reaches the ledger; nil means the network.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Wire watches the HTTP exchanges with the ledger; those with Azure are
	// the business of Client.Transport. nil means that nobody watches.
	Wire *wirelog.Log
	// Record keeps the steps, votes and checks, and the exchanges with the
	// ledger; those with Azure are again the business of Client. nil means
	// nothing, or what the flag -record says.
	Record *record.Recorder
	// Progress is told about transfers; nil means a line on Stderr, if that is a
	// terminal.
	Progress func(datasink.Progress)
	// Stdout and Stderr are the standard files when nil.
	Stdout, Stderr io.Writer

	ledger *governance.Client
	file   *os.File // of the flag -record
}

// Close closes the connection to the ledger, which all runs with these options
// share, and the record that -record asked for.
func (o *Options) Close() error {
	if o.ledger != nil {
		o.ledger.Close()
	}
	if o.file == nil {
		return nil
	}
	return errors.Join(o.Record.Close(), o.file.Close())
}

// Party is a program's flags and what is made from them.
type Party struct {
	Name       string
	ContractID string
	// Share is the folder in which the parties exchange documents, Out the one
	// for results, and Dir the party's own for its keys.
	Dir, Share, Out string

	Tenant      string
	Identity    string // client id of the managed identity that the room uses
	Vault       string
	Storage     string
	WebStorage  string
	Issuer      string
	Attestation string
	Image       string // what the parties agreed to run
	// Environment says which variables the program reads, for its help.
	Environment string

	*steps.Reporter

	ledgerURL, ledgerCert, images string
	record                        string
	json                          bool
	options                       *Options
	flags                         *flag.FlagSet
}

// Step is one word of a program's command line.
type Step struct {
	Name, Help string
	// Needs are the flags without which the step cannot be done.
	Needs []string
	Run   func(context.Context) error
}

// Ledger are the flags that every step with the ledger needs.
var Ledger = []string{"ledger", "ledger-cert"}

// Resources are the flags of what a party has in Azure, and more.
func Resources(more ...string) []string {
	return append([]string{"tenant", "identity", "vault", "storage", "web-storage", "issuer"}, more...)
}

// UsageError asks for exit code 2.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// New makes the frame of a program; the program adds flags of its own to
// Flags and then calls Run.
func New(name string, o *Options) *Party {
	p := &Party{Name: name, options: o, flags: flag.NewFlagSet(name, flag.ContinueOnError)}
	if o.Stdout == nil {
		o.Stdout = os.Stdout
	}
	if o.Stderr == nil {
		o.Stderr = os.Stderr
	}
	p.flags.SetOutput(io.Discard) // what is wrong is told once, by the error
	for _, f := range []struct {
		to                *string
		name, value, help string
	}{
		{&p.Dir, "dir", name + ".private", "`folder` for the party's own keys"},
		{&p.Share, "share", "shared", "`folder` in which the parties exchange documents"},
		{&p.Out, "out", ".", "`folder` for results"},
		{&p.ContractID, "contract", "collab1-db", "contract `id`"},
		{&p.ledgerURL, "ledger", "", "`URL` of the governance ledger"},
		{&p.ledgerCert, "ledger-cert", "", "PEM `file` with the ledger's service certificate"},
		{&p.Image, "image", "", "`reference` of the query's image that was reviewed, registry/repository@sha256:DIGEST"},
		{&p.images, "image-policy", "", `JSON ` + "`file`" + ` with what is pinned of each image: {"REFERENCE": {"Layers": ["ROOT HASH", ...]}}`},
		{&p.Tenant, "tenant", "", "Entra tenant `id` of the party"},
		{&p.Identity, "identity", "", "client `id` of the managed identity that the room uses"},
		{&p.Vault, "vault", "", "`URL` of the party's premium key vault"},
		{&p.Storage, "storage", "", "blob `URL` of the party's storage account"},
		{&p.WebStorage, "web-storage", "", "blob `URL` of the account whose static website serves the OIDC documents"},
		{&p.Issuer, "issuer", "", "`URL` on that website that becomes the party's OIDC issuer"},
		{&p.Attestation, "attestation", "https://sharedneu.neu.attest.azure.net", "`URL` of the attestation service"},
	} {
		p.flags.StringVar(f.to, f.name, f.value, f.help)
	}
	p.flags.StringVar(&p.record, "record", "", "`file` to which the run is recorded, without secrets, for examples/report")
	p.flags.BoolVar(&p.json, "json", false, "print steps as JSON lines")
	return p
}

// Flags is the program's flag set.
func (p *Party) Flags() *flag.FlagSet { return p.flags }

// Run parses args and runs the steps that they name, in the order given.
func (p *Party) Run(ctx context.Context, args []string, all []Step) error {
	if err := p.flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return p.usage(all, p.flags.Arg(0))
	} else if err != nil {
		return &UsageError{fmt.Errorf("%s: %w; %s -h lists the flags", p.Name, err, p.Name)}
	}
	p.Storage, p.WebStorage = strings.TrimSuffix(p.Storage, "/"), strings.TrimSuffix(p.WebStorage, "/")
	run := make([]Step, 0, p.flags.NArg())
	for _, name := range p.flags.Args() {
		i := slices.IndexFunc(all, func(s Step) bool { return s.Name == name })
		if i < 0 {
			return &UsageError{fmt.Errorf("%s: there is no step %q; %s -h lists them", p.Name, name, p.Name)}
		}
		run = append(run, all[i])
	}
	if len(run) == 0 {
		return &UsageError{fmt.Errorf("%s: no step given; %s -h lists them", p.Name, p.Name)}
	}
	for _, s := range run {
		for _, name := range s.Needs {
			if f := p.flags.Lookup(name); f.Value.String() == "" {
				return &UsageError{fmt.Errorf("%s: step %s needs -%s, the %s", p.Name, s.Name, name, plain(f))}
			}
		}
	}
	if err := p.options.recordTo(p.record, p.Name); err != nil {
		return err
	}
	p.Reporter = steps.New(p.options.Stdout, steps.Options{JSON: p.json, Colours: terminal.Colours(p.options.Stdout), Wire: p.options.Wire, Record: p.options.Record})
	for _, s := range run {
		if err := s.Run(ctx); err != nil {
			p.options.Record.AddDenial(err)
			return fmt.Errorf("%s %s: %w", p.Name, s.Name, err)
		}
	}
	return p.Reporter.Err()
}

// plain is what a flag is for, without the marks of its help text.
func plain(f *flag.Flag) string { return strings.ReplaceAll(f.Usage, "`", "") }

// usage fits a screen; what a step needs is a page of its own.
func (p *Party) usage(all []Step, about string) error {
	w := p.options.Stderr
	if about == "flags" {
		terminal.Flags(w, p.flags)
		return flag.ErrHelp
	}
	if i := slices.IndexFunc(all, func(s Step) bool { return s.Name == about }); i >= 0 {
		fmt.Fprintf(w, "usage: %s [flags] %s\n\n%s\n", p.Name, about, terminal.Item(all[i].Name, 13, all[i].Help))
		if len(all[i].Needs) > 0 {
			fmt.Fprintln(w, "it needs:")
			terminal.Flags(w, p.flags, all[i].Needs...)
		}
		return flag.ErrHelp
	}
	if about != "" {
		return &UsageError{fmt.Errorf("%s: there is no step %q; %s -h lists them", p.Name, about, p.Name)}
	}
	fmt.Fprintf(w, "usage: %s [flags] step...\n\nsteps, in the order of a collaboration:\n", p.Name)
	for _, s := range all {
		fmt.Fprint(w, terminal.Item(s.Name, 13, s.Help))
	}
	fmt.Fprintf(w, "\n-h STEP lists the flags that a step needs, -h flags all of them.\n%sexit codes: 0 done, 1 failed, 2 usage, 3 denied\n", p.Environment)
	return flag.ErrHelp
}

// Own is the name of a file in the party's own folder.
func (p *Party) Own(name string) string { return filepath.Join(p.Dir, name) }

// Shared is the name of a file in the exchange folder.
func (p *Party) Shared(name string) string { return filepath.Join(p.Share, name) }

// Document is the file with the party's own specification document. It lies
// in the party's own folder, since what the party votes for is compared with
// it; the others get a copy.
func (p *Party) Document() string { return p.Own("config.yaml") }

// SharedDocument and Certificate are the files that a party shares.
func (p *Party) SharedDocument(name string) string { return p.Shared(name + "-config.yaml") }
func (p *Party) Certificate(name string) string    { return p.Shared(name + "_cert.pem") }

// WriteDocument keeps the document and shares the copy.
func (p *Party) WriteDocument(s *cleanroom.Specification) error {
	if err := s.WriteFile(p.Document()); err != nil {
		return err
	}
	return s.WriteFile(p.SharedDocument(p.Name))
}

// IdentityName and KEKName are what the document calls the managed identity
// and the key-encryption key of the party.
func (p *Party) IdentityName() string { return p.Name + "-identity" }
func (p *Party) KEKName() string      { return p.Name + "-kek" }

// Main runs a program until it ends or is interrupted, and exits: 1 for a
// failure, 2 for wrong usage, 3 for a denial.
func Main(run func(context.Context, []string, *Options) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	options := &Options{}
	err := run(ctx, os.Args[1:], options)
	err = errors.Join(err, options.Close())
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(ExitCode(err))
}

// ExitCode is the exit code of a program that ended with err.
func ExitCode(err error) int {
	var usage *UsageError
	var denied *governance.DeniedError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &usage):
		return 2
	case errors.As(err, &denied):
		return 3
	}
	return 1
}
