package governance

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"time"
)

// Event is something that a clean room reported. The room signed it, and the
// service verified signature and evidence when it took it; it keeps neither, so
// that a reader has the word of the service, whose certificate is pinned.
type Event struct {
	// ID is the contract's id unless the room chose another.
	ID, Scope string
	// Seqno is the sequence number of the transaction that holds it.
	Seqno int64
	// Time is the room's own clock, to the millisecond.
	Time time.Time
	// Data is the JSON object that was reported.
	Data json.RawMessage
}

// UnmarshalJSON reads the time from the milliseconds: the second spelling of
// it has one name in a range and another outside.
func (e *Event) UnmarshalJSON(b []byte) error {
	var doc struct {
		ID        string          `json:"id"`
		Scope     string          `json:"scope"`
		Seqno     int64           `json:"seqno"`
		Timestamp string          `json:"timestamp"`
		Data      json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return err
	}
	ms, err := strconv.ParseUint(doc.Timestamp, 10, 62)
	if err != nil {
		return fmt.Errorf("event %d: timestamp %q is no number of milliseconds", doc.Seqno, cut(doc.Timestamp, 40))
	}
	*e = Event{ID: doc.ID, Scope: doc.Scope, Seqno: doc.Seqno, Time: time.UnixMilli(int64(ms)).UTC(), Data: doc.Data}
	return nil
}

// EventsOptions chooses events; nil means all of the contract.
type EventsOptions struct {
	// ID is what the room reported under; empty means the contract's id.
	ID string
	// Scope is empty for events without one.
	Scope string
	// Latest asks for the last event alone, which needs no search of the
	// ledger. From, To and PageSize have no meaning then.
	Latest bool
	// From and To bound the sequence numbers, both inclusive; zero means the
	// first and the last event.
	From, To int64
	// PageSize is how many sequence numbers a request covers; zero leaves it
	// to the service (2000).
	PageSize int64
	// Repetitions gives an event as often as the service has it. A room whose
	// answer was lost reports its event again, in the same bytes with the same
	// time, and the service takes both; zero means that such an event is given
	// once, where it first appears in the range.
	Repetitions bool
}

// Events gives the events in order, reading one page after the other as the
// caller goes on, and keeps no more than a page. It ends after the first error.
func (c *ContractClient) Events(ctx context.Context, opts *EventsOptions) iter.Seq2[Event, error] {
	var o EventsOptions
	if opts != nil {
		o = *opts
	}
	return func(yield func(Event, error) bool) {
		if err := c.events(ctx, o, func(e Event) bool { return yield(e, nil) }); err != nil {
			yield(Event{}, err)
		}
	}
}

// eventPage is one answer.
type eventPage struct {
	Value    []Event `json:"value"`
	NextLink string  `json:"nextLink"`
}

// events gives the events to yield until that returns false.
func (c *ContractClient) events(ctx context.Context, o EventsOptions, yield func(Event) bool) error {
	r, err := c.eventRange(o)
	if err != nil {
		return err
	}
	if o.Latest || o.To == 0 {
		var latest eventPage
		if err := c.c.wire.readCommitted(ctx, r.latest(), &latest); err != nil {
			return err
		}
		if o.Latest {
			latest.each(yield)
			return nil
		}
		// The last event is committed now, so a range up to it can be had. One
		// that ends before it begins, the service would refuse.
		for _, e := range latest.Value {
			r.to = max(r.to, e.Seqno)
		}
		if r.to < r.from {
			return nil
		}
	}
	if !o.Repetitions {
		yield = once(yield)
	}
	for {
		var page eventPage
		if err := r.page(ctx, &page); err != nil {
			return err
		}
		if !page.each(yield) {
			return nil
		}
		// A page can be empty and still have a successor.
		if more, err := r.next(page.NextLink); !more || err != nil {
			return err
		}
	}
}

func (p eventPage) each(yield func(Event) bool) bool {
	for _, e := range p.Value {
		if !yield(e) {
			return false
		}
	}
	return true
}

func (c *ContractClient) eventRange(o EventsOptions) (*rangeReader, error) {
	path, err := contractPath(c.id)
	if err != nil {
		return nil, err
	}
	r := &rangeReader{
		wire: c.c.wire,
		call: call{op: c.op("read events of"), method: http.MethodGet, path: path + "/events"},
	}
	if r.fixed, err = eventQuery(o.ID, o.Scope); err != nil {
		return nil, err
	}
	if o.From < 0 || o.To < 0 || o.PageSize < 0 || (o.To > 0 && o.From > o.To) {
		return nil, fmt.Errorf("governance: %s: range %d to %d, pages of %d", r.call.op, o.From, o.To, o.PageSize)
	}
	r.from, r.to, r.pageSize = max(o.From, 1), o.To, o.PageSize
	return r, nil
}

func eventQuery(id, scope string) ([]string, error) {
	var q []string
	if id != "" {
		if err := checkID("event id", id); err != nil {
			return nil, err
		}
		q = append(q, "id="+id)
	}
	if scope != "" {
		if err := checkID("event scope", scope); err != nil {
			return nil, err
		}
		q = append(q, "scope="+scope)
	}
	return q, nil
}
