package cleanroom

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cleanroom-go/sdk/governance"
)

// Close ends the stay: it exports the log if the parties enabled logging,
// writes the last audit event and forgets the keys, those of the sinks that
// [Room.Output] gave included, which fail from then on. It works after the
// context of [Enter] has ended too, for at most half a minute. Its error joins
// what failed, and is logged as well, since a deferred Close has nobody who
// looks at it. Closing again waits for the first call and returns its error.
func (r *Room) Close() error {
	r.closing.Do(func() { r.closeErr = r.leave() })
	return r.closeErr
}

func (r *Room) leave() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	err := errors.Join(
		r.within(r.exportTimeout, r.exportLog),
		r.within(eventTimeout, func(ctx context.Context) error {
			return r.event(ctx, map[string]any{"source": r.application, "message": "ended execution of " + r.application})
		}),
		r.release(),
	)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("cleanroom: leave room: %w", err)
	r.stderr.Error("the room was not left in order", "error", err)
	return err
}

// within gives one part of leaving its own time.
func (r *Room) within(limit time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(r.base, limit)
	defer cancel()
	return do(ctx)
}

// exportLog writes the log to the sink of the applications' telemetry. The
// document of the parties may have none; then there is nothing to consent to.
func (r *Room) exportLog(ctx context.Context) error {
	if r.getenv(SinkVariable(ApplicationTelemetry)) == "" {
		return nil
	}
	status, err := r.governance.Consent(ctx, governance.Logging)
	if err != nil {
		return fmt.Errorf("consent to logging: %w", err)
	}
	if status == nil || !status.Enabled {
		r.step(StepConsent, "logging is not enabled: the log stays in the room")
		return nil
	}
	sink, err := r.output(ctx, ApplicationTelemetry)
	if err != nil {
		return fmt.Errorf("export log: %w", err)
	}
	name := r.application + ".log"
	if err := sink.WriteFile(ctx, name, func(w io.Writer) error {
		_, err := r.lines.WriteTo(w)
		return err
	}); err != nil {
		return fmt.Errorf("export log: %w", err)
	}
	r.step(StepLogs, "log exported as %s", name)
	return nil
}

// release drops keys and connections.
func (r *Room) release() error {
	r.mu.Lock()
	r.closed, r.emptied = true, true
	var errs []error
	for _, sink := range r.outputs {
		errs = append(errs, sink.Close())
	}
	for _, root := range r.inputs {
		errs = append(errs, root.Close())
	}
	clear(r.outputs)
	clear(r.inputs)
	clear(r.credentials)
	r.mu.Unlock()
	if r.closeGovernance != nil {
		r.closeGovernance()
	}
	if r.releaser != nil {
		errs = append(errs, r.releaser.Close())
	}
	if r.sidecars != nil {
		r.sidecars.close()
	}
	return errors.Join(errs...)
}
