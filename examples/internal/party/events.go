package party

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Event is what a room reported.
type Event struct {
	Time    time.Time `json:"-"`
	Source  string    `json:"source"`
	Message string    `json:"message"`
	Rows    *int64    `json:"rows,omitempty"`
}

// String is the event on one line.
func (e Event) String() string {
	s := e.Time.Local().Format(time.TimeOnly) + " " + e.Source + ": " + e.Message
	if e.Rows != nil {
		s += fmt.Sprintf(" (%d rows)", *e.Rows)
	}
	return s
}

// Events reads what the rooms of the contract reported, oldest first.
func (p *Party) Events(ctx context.Context) ([]Event, error) {
	ledger, err := p.Governance()
	if err != nil {
		return nil, err
	}
	var list []Event
	for e, err := range ledger.Contract(p.ContractID).Events(ctx, nil) {
		if err != nil {
			return nil, err
		}
		event := Event{Time: e.Time}
		if err := json.Unmarshal(e.Data, &event); err != nil {
			return nil, fmt.Errorf("audit event %d: %w", e.Seqno, err)
		}
		list = append(list, event)
	}
	return list, nil
}
