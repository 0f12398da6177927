package party

import (
	"fmt"
	"os"
	"slices"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/record"
)

// recordTo begins the record that -record names, unless somebody records
// already. An old record is not written over: it may be all that is left of a
// run.
func (o *Options) recordTo(name, party string) (err error) {
	if name == "" || o.Record != nil {
		return nil
	}
	if o.file, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return fmt.Errorf("-record: %w", err)
	}
	o.Record = record.New(party, o.file, nil)
	o.Client.PerRetryPolicies = append(slices.Clip(o.Client.PerRetryPolicies), o.Record)
	return nil
}

// The facts of a run that its exchanges do not say.

func (p *Party) proposed(what string, proposal *governance.Proposal) {
	p.options.Record.Add(record.Entry{Proposal: &record.Proposal{ID: proposal.ID, What: what, State: proposal.State}})
}

func (p *Party) voted(what string, proposal *governance.Proposal) {
	p.options.Record.Add(record.Entry{Vote: &record.Vote{ID: proposal.ID, What: what, State: proposal.State}})
}

func (p *Party) measured(name, value string, size int) {
	p.options.Record.Add(record.Entry{Measurement: &record.Measurement{Name: name, Value: value, Size: int64(size)}})
}

func (p *Party) verified(op string, checks []cleanroom.Check) {
	p.options.Record.Add(record.Entry{Verdict: record.NewVerdict(op, checks)})
}

// Counted records the rows of a result.
func (p *Party) Counted(name string, rows int64) { p.counted(name, rows, "rows") }

func (p *Party) counted(name string, value int64, unit string) {
	p.options.Record.Add(record.Entry{Amount: &record.Amount{Name: name, Value: value, Unit: unit}})
}
