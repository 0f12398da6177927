package cleanroom

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/cleanroom-go/sdk/governance"
)

// Close ends the stay: it exports the log if the parties enabled logging,
// writes the last audit event and forgets every key. It works after the context
// of [Enter] has ended too, for at most half a minute. Its error joins what
// failed, and is logged as well, since a deferred Close has nobody who looks at
// it. Closing again does nothing.
func (r *Room) Close() error {
	r.mu.Lock()
	again := r.closed
	r.closed = true
	r.mu.Unlock()
	if again {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.base, closeTimeout)
	defer cancel()
	err := errors.Join(
		r.exportLog(ctx),
		r.event(ctx, map[string]any{"source": r.application, "message": "ended execution of " + r.application}),
		r.release(),
	)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("cleanroom: leave room: %w", err)
	r.stderr.Error("the room was not left in order", "error", err)
	return err
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
	r.closed = true
	clear(r.outputs)
	clear(r.credentials)
	r.mu.Unlock()
	if r.governance != nil {
		r.governance.Close()
	}
	return r.releaser.Close()
}
