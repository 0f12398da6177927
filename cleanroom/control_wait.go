package cleanroom

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// nobody is a name of no application: a launcher that listens does not know it.
const nobody = "doesnotexist"

// attemptTimeout bounds one look, so that a connection that died silently costs
// a look and not the wait.
const attemptTimeout = 30 * time.Second

// WaitReady returns when the launcher listens. A room whose certificate is not
// the contract's is an error at once, and one that does not listen within
// [ControlOptions.Patience].
func (c *Control) WaitReady(ctx context.Context) error {
	w := c.waiter(min(c.opts.Poll, 2*time.Second))
	for {
		_, err := c.look(ctx, nobody)
		var refused *ControlError
		if err == nil || errors.As(err, &refused) && refused.Code == ControlNotFound {
			return nil
		}
		if err := w.again(ctx, err); err != nil {
			return fmt.Errorf("cleanroom: control: wait for the room: %w", err)
		}
	}
}

// Wait returns when the application has ended: nil for the exit code 0,
// otherwise an [*ExitError]. It waits for the room to listen first, as
// [Control.WaitReady], and for an application that is not started yet. Answers
// that are lost are asked for again; a refusal other than that the application
// is not known ends the wait.
func (c *Control) Wait(ctx context.Context, application string) error {
	if err := c.WaitReady(ctx); err != nil {
		return err
	}
	seen := ControlStatus{Application: application, State: "?"}
	w := c.waiter(c.opts.Poll)
	for {
		status, err := c.look(ctx, application)
		var refused *ControlError
		if unknown := errors.As(err, &refused) && refused.Code == ControlNotFound; err == nil || unknown {
			status.Application = application
			if status != seen && c.opts.Progress != nil {
				c.opts.Progress(status)
			}
			seen = status
		}
		if err != nil {
			if err := w.again(ctx, err); err != nil {
				return fmt.Errorf("cleanroom: control: wait for %s: %w", shown(application), err)
			}
			continue
		}
		w.calm()
		switch {
		case status.State == StateExited && status.ExitCode == 0:
			return nil
		case status.State == StateExited:
			return &ExitError{application, status.ExitCode}
		}
		if err := pause(ctx, c.opts.Poll); err != nil {
			return fmt.Errorf("cleanroom: control: wait for %s, which is %s: %w", shown(application), shown(status.State), err)
		}
	}
}

// look is Status with a bound of its own.
func (c *Control) look(ctx context.Context, application string) (ControlStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	return c.Status(ctx, application)
}

// waiter goes on after failures that time may mend, for as long as the client's
// patience lasts.
type waiter struct {
	patience, poll time.Duration
	since          time.Time // of the first failure in a row; zero after a success
}

func (c *Control) waiter(poll time.Duration) *waiter {
	return &waiter{patience: c.opts.Patience, poll: poll}
}

func (w *waiter) calm() { w.since = time.Time{} }

// again pauses, or says why not to go on.
func (w *waiter) again(ctx context.Context, failure error) error {
	if ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), failure)
	}
	var refused *ControlError
	if untrusted(failure) || errors.As(failure, &refused) && refused.Code != ControlNotFound && refused.Code != ControlUnavailable {
		return failure
	}
	if w.since.IsZero() {
		w.since = time.Now()
	}
	if time.Since(w.since) >= w.patience {
		return fmt.Errorf("after %s of it: %w", w.patience, failure)
	}
	if err := pause(ctx, w.poll); err != nil {
		return errors.Join(err, failure)
	}
	return nil
}
