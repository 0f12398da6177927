package governance_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

// numbers reads the events, each of which holds a number.
func numbers(t *testing.T, k *governance.ContractClient, opts *governance.EventsOptions) (list []int, seqnos []int64) {
	t.Helper()
	for e, err := range k.Events(t.Context(), opts) {
		if err != nil {
			t.Fatal(err)
		}
		var doc struct{ N int }
		if err := json.Unmarshal(e.Data, &doc); err != nil {
			t.Fatal(err)
		}
		list, seqnos = append(list, doc.N), append(seqnos, e.Seqno)
	}
	return list, seqnos
}

func TestEvents(t *testing.T) {
	c, id := commonConsortium(t)
	room := c.agreedRoom(id, nil)
	k := c.publisher.Contract(id)
	ctx := t.Context()
	if got, _ := numbers(t, k, nil); got != nil {
		t.Errorf("events before: %v", got)
	}
	if got, _ := numbers(t, k, &governance.EventsOptions{Latest: true}); got != nil {
		t.Errorf("latest event before: %v", got)
	}
	for i := range 5 {
		c.check(room.PutEvent(ctx, map[string]int{"n": i}, nil))
		c.check(room.PutEvent(ctx, map[string]int{"n": 100 + i}, &governance.PutEventOptions{Scope: "other"}))
		c.check(room.PutEvent(ctx, map[string]int{"n": 200 + i}, &governance.PutEventOptions{ID: "run-7"}))
	}
	all, at := numbers(t, k, nil)
	if !slices.Equal(all, []int{0, 1, 2, 3, 4}) || !slices.IsSorted(at) {
		t.Fatalf("events %v at %v", all, at)
	}
	tests := []struct {
		opts governance.EventsOptions
		want []int
	}{
		{governance.EventsOptions{Latest: true}, []int{4}},
		{governance.EventsOptions{Scope: "other"}, []int{100, 101, 102, 103, 104}},
		{governance.EventsOptions{Scope: "other", Latest: true}, []int{104}},
		{governance.EventsOptions{ID: "run-7", Latest: true}, []int{204}},
		{governance.EventsOptions{ID: "run-7"}, []int{200, 201, 202, 203, 204}},
		{governance.EventsOptions{ID: "nothing"}, nil},
		{governance.EventsOptions{PageSize: 1}, []int{0, 1, 2, 3, 4}}, // many empty pages
		{governance.EventsOptions{From: at[2]}, []int{2, 3, 4}},
		{governance.EventsOptions{To: at[2]}, []int{0, 1, 2}},
		{governance.EventsOptions{From: at[1] + 1, To: at[3] - 1, PageSize: 2}, []int{2}},
		{governance.EventsOptions{From: at[4] + 1}, nil}, // nothing new is no error
	}
	for _, test := range tests {
		if got, _ := numbers(t, k, &test.opts); !slices.Equal(got, test.want) {
			t.Errorf("%+v: %v, want %v", test.opts, got, test.want)
		}
	}
	// A reader can stop.
	for range k.Events(ctx, &governance.EventsOptions{PageSize: 1}) {
		break
	}
	for _, bad := range []governance.EventsOptions{{From: -1}, {To: -1}, {PageSize: -1}, {From: 3, To: 2}, {ID: "a b"}, {Scope: "a&b"}} {
		var err error
		for _, err = range k.Events(ctx, &bad) {
		}
		if err == nil || !strings.HasPrefix(err.Error(), "governance: ") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// TestPutEventRefused looks at what the room says itself.
func TestPutEventRefused(t *testing.T) {
	c, id := commonConsortium(t)
	room := c.room(id, c.launch(id), nil)
	for _, event := range []any{nil, 1, "text", []int{1}, func() {}} {
		if err := room.PutEvent(t.Context(), event, nil); err == nil {
			t.Errorf("event %v passed", event)
		}
	}
	if err := room.PutEvent(t.Context(), struct{}{}, &governance.PutEventOptions{ID: "a/b"}); err == nil {
		t.Error("a malformed id passed")
	}
	wantDenied(t, room.PutEvent(t.Context(), struct{}{}, nil), "policy.accepted")
}

// TestEventsAreSeenAtOnce makes sure that an event is seen at once by the
// other member, whose connection knows nothing of the write.
func TestEventsAreSeenAtOnce(t *testing.T) {
	c, id := commonConsortium(t)
	room := c.agreedRoom(id, nil)
	for i := range 10 {
		c.check(room.PutEvent(t.Context(), map[string]int{"n": i}, nil))
		if got, _ := numbers(t, c.consumer.Contract(id), nil); len(got) != i+1 {
			t.Fatalf("after %d events: %v", i+1, got)
		}
	}
}
