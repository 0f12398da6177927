package cleanroom

import (
	"context"
	"errors"
	"testing"
	"time"
)

// While one caller's request hangs, another caller's context ends its own
// wait; a failure is not kept, a success is.
func TestReused(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan error)
	calls := 0
	get := reused(time.Hour, func(context.Context) (string, error) {
		calls++
		asked <- struct{}{}
		return "token", <-answer
	})
	first := make(chan error, 1)
	go func() { _, err := get(t.Context()); first <- err }()
	<-asked // its request hangs
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := get(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("second caller: %v", err)
	}
	failure := errors.New("no")
	answer <- failure
	if err := <-first; err != failure {
		t.Errorf("first caller: %v", err)
	}
	go func() { <-asked; answer <- nil }()
	for range 2 {
		if token, err := get(t.Context()); token != "token" || err != nil {
			t.Errorf("%q, %v", token, err)
		}
	}
	if calls != 2 {
		t.Errorf("%d requests, want 2", calls)
	}
}
