package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/examples/internal/consumer"
	"github.com/cleanroom-go/sdk/examples/internal/party"
	"github.com/cleanroom-go/sdk/examples/internal/publisher"
	"github.com/cleanroom-go/sdk/examples/internal/query"
	"github.com/cleanroom-go/sdk/examples/internal/steps"
	"github.com/cleanroom-go/sdk/internal/wirelog"
	"github.com/cleanroom-go/sdk/record"
)

// player runs the program of one party over one connection to the
// environment.
type player struct {
	run     func(ctx context.Context, args []string) error
	conn    *cleanroomtest.Conn
	options *party.Options
	record  *record.Recorder // nil unless the run is recorded
	file    *os.File
}

// play runs the program; what it was refused is part of the record.
func (p *player) play(ctx context.Context, args []string) error {
	err := p.run(ctx, args)
	if err != nil && p.options.Record == nil { // a party's program records its own
		p.record.AddDenial(err)
	}
	return err
}

func (p *player) close() error {
	err := p.options.Close()
	p.conn.Close()
	if p.file != nil {
		err = errors.Join(err, p.record.Close(), p.file.Close())
	}
	return err
}

// joinAs connects to the environment and chooses the party's program.
func joinAs(name, join, recordTo string, verbose bool) (*player, error) {
	var emit func(wirelog.Exchange)
	if verbose {
		emit = func(e wirelog.Exchange) { fmt.Fprintln(os.Stderr, e) }
	}
	wire := wirelog.New(emit)
	p := &player{}
	if recordTo != "" {
		var err error
		if p.file, err = os.OpenFile(recordTo, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return nil, err
		}
		p.record = record.New(name, p.file, nil)
	}
	wrap := func(t http.RoundTripper) http.RoundTripper { return p.record.Wrap(wire.Wrap(t)) }
	conn, err := cleanroomtest.Join(join, &cleanroomtest.ConnOptions{Wrap: wrap})
	if err != nil {
		return nil, err
	}
	options := &party.Options{Credential: conn.Credential(), Client: conn.ClientOptions(), DialContext: conn.DialContext, Wire: wire, Record: p.record}
	p.conn, p.options = conn, options
	switch name {
	case steps.Publisher:
		p.run = func(ctx context.Context, args []string) error { return publisher.Run(ctx, args, options) }
	case steps.Consumer:
		p.run = func(ctx context.Context, args []string) error { return consumer.Run(ctx, args, options) }
	case steps.Room:
		p.run = func(ctx context.Context, args []string) error {
			return query.Run(ctx, args, roomOptions(conn, wire, p.record))
		}
		options.Record = nil // a room has no party's program
	default:
		conn.Close()
		return nil, usagef("there is no party %q", name)
	}
	return p, nil
}

// stepNumbers are the places of a room's steps in the scenario.
var stepNumbers = map[cleanroom.StepKind]int{
	cleanroom.StepSecret: 30, cleanroom.StepUnwrap: 31, cleanroom.StepRelease: 32, cleanroom.StepAzureToken: 33,
	cleanroom.StepDatabase: 34, cleanroom.StepOutput: 35, cleanroom.StepConsent: 61, cleanroom.StepToken: 62,
	cleanroom.StepLogs: 68, cleanroom.StepEvent: 71, cleanroom.StepAttestation: 73,
}

// roomOptions are what differs from a genuine room: where the hardware is, how
// the network is reached and whose certificates count.
func roomOptions(conn *cleanroomtest.Conn, wire *wirelog.Log, rec *record.Recorder) *cleanroom.RoomOptions {
	out := steps.New(os.Stdout, steps.Options{JSON: true, Wire: wire, Record: rec})
	return &cleanroom.RoomOptions{
		Application:         query.Application,
		ClientOptions:       conn.ClientOptions(),
		Attester:            conn.Attester(),
		ReleaseRoots:        conn.Roots(),
		DialContext:         conn.DialContext,
		GovernanceTransport: conn.Wrap,
		Progress: func(s cleanroom.RoomStep) {
			if s.Kind == cleanroom.StepDatabase {
				rec.Add(record.Entry{Call: &record.Call{To: "database", Text: "SQL, TLS"}})
			}
			out.Step(steps.Room, s.Text, stepNumbers[s.Kind])
		},
	}
}

// denialReport is how a child tells the demo about a denial.
type denialReport struct {
	Party  string        `json:"party"`
	Op     string        `json:"op"`
	By     string        `json:"by"`
	Checks []denialCheck `json:"checks"`
}

type denialCheck struct {
	ID     string `json:"id"`
	Passed bool   `json:"passed"`
	Want   string `json:"want"`
	Got    string `json:"got"`
	Remedy string `json:"remedy,omitempty"`
}

func reportDenial(name string, err error) *denialReport {
	var denied *cleanroom.DeniedError
	if !errors.As(err, &denied) {
		return nil
	}
	r := &denialReport{Party: name, Op: denied.Op, By: denied.By}
	for _, c := range denied.Checks {
		r.Checks = append(r.Checks, denialCheck{ID: c.ID, Passed: c.OK(), Want: c.Want, Got: c.Got, Remedy: c.Remedy})
	}
	return r
}

func isUsage(err error) bool {
	var usage *party.UsageError
	return errors.As(err, &usage)
}

// deniedByChild is a denial that a party's program reported.
type deniedByChild struct{ report denialReport }

func (e *deniedByChild) Error() string { return e.report.Op + ": denied by " + e.report.By }
