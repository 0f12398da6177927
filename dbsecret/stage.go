package dbsecret

import (
	"context"
	"errors"
	"fmt"
)

// stage is a part of connecting in which a server can be silent.
type stage int

const (
	stageDial stage = iota
	stageTLS
	stageLogin
)

// stages say what is waited for, and what to do when it does not come.
var stages = [...]struct{ doing, remedy string }{
	stageDial:  {"dialling", remedyNetwork},
	stageTLS:   {"agreeing on TLS", "it accepts connections and says nothing: check that a PostgreSQL server, not a proxy of another kind, listens there"},
	stageLogin: {"logging in", "the server's log says what it waits for"},
}

// enter notes what the session waits for, and at which address.
func (s *session) enter(now stage, address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stage, s.address = now, address
}

// ended explains the end of the context while the session connected: a
// deadline alone would not say who was waited for.
func (s *session) ended(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	s.mu.Lock()
	at, address := stages[s.stage], s.address
	s.mu.Unlock()
	cause := context.Cause(ctx)
	if !errors.Is(cause, context.DeadlineExceeded) {
		return fmt.Errorf("given up while %s at %s: %w", at.doing, address, cause)
	}
	return fmt.Errorf("the server at %s did not answer within the time given, while %s: %w; %s", address, at.doing, cause, at.remedy)
}
