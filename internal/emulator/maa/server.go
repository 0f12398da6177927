package maa

import (
	"errors"
	"net/http"
	"time"
)

// Options of [New].
type Options struct {
	// Host is the host name of the instance; required.
	Host string
	// VerifyReport decides whether a report and its certificates are genuine
	// and, when uvm is not empty, whether it endorses the report's measurement.
	// Required.
	VerifyReport func(report, certificates, uvm []byte) error
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Server is one attestation instance.
type Server struct {
	opts Options
}

// New makes an instance with a signing key of its own.
func New(opts Options) (*Server, error) { return nil, errors.ErrUnsupported }

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {}
