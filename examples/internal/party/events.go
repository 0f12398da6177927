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

// Events are what the rooms of a contract reported, oldest first.
type Events []Event

// Rows is the last number of rows that was reported, -1 if none was.
func (list Events) Rows() int64 {
	rows := int64(-1)
	for _, e := range list {
		if e.Rows != nil {
			rows = *e.Rows
		}
	}
	return rows
}

// Events reads them.
func (p *Party) Events(ctx context.Context) (Events, error) {
	ledger, err := p.Governance()
	if err != nil {
		return nil, err
	}
	var list Events
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
