package cleanroom

import (
	"time"

	"github.com/cleanroom-go/sdk/datasink"
)

// SetExportTimeout shortens what leaving the room gives to the log.
func SetExportTimeout(r *Room, d time.Duration) { r.exportTimeout = d }

// KeepSink stores a sink as Output does at its end.
func KeepSink(r *Room, name string, s *datasink.Sink) (*datasink.Sink, error) { return r.keep(name, s) }
