package cleanroom

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cleanroom-go/sdk/governance"
)

// ControlPort is the port on which a room of the platform's launcher is
// controlled, and ControlName a name that the certificate of each has: it is
// made for *.cleanroom.local, whatever address the room got.
const (
	ControlPort = 8200
	ControlName = "ccr.cleanroom.local"
)

// maxControlAnswer bounds an answer; the genuine ones have some hundred bytes,
// refusals a stack trace.
const maxControlAnswer = 256 << 10

// ControlOptions are the options of [NewControl]; nil works.
type ControlOptions struct {
	// ServerName is the name that the room's certificate must have; zero means
	// [ControlName]. It is not looked up.
	ServerName string
	// DialContext opens connections; nil means directly, without a proxy.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// Poll is the time between two looks of [Control.Wait]; zero means 30
	// seconds. Each look at an application writes an audit event of the
	// contract. While the room does not listen yet it is at most two seconds.
	Poll time.Duration
	// Patience is how long [Control.WaitReady] and [Control.Wait] go on while the
	// room does not listen, has no such application yet, or does not answer
	// any more; zero means 15 minutes.
	Patience time.Duration
	// Progress, if set, is told each change that Wait sees.
	Progress func(ControlStatus)
}

// Control is a client of the launcher of a running room: it starts an
// application, says how it is, and has logs and telemetry exported. The shapes
// are those of release 8.0.0. It may be used by several goroutines.
//
// Only rooms of the platform's launcher can be controlled. A room of [Generate]
// has no such port: its program runs by itself, and [Provisioner.WaitRoom] says
// how it ended.
type Control struct {
	endpoint string
	http     *http.Client
	opts     ControlOptions
}

// NewControl makes a client of the room at an endpoint such as
// https://203.0.113.7:8200; see [RoomState.ControlEndpoint]. authority is the
// certificate in PEM of the contract's own certificate authority, as
// [ControlAuthority] reads it. Nothing else is trusted: whoever answers has a
// certificate that the governance service gave to an attested room of the
// contract. Nothing is asked yet.
func NewControl(endpoint string, authority []byte, opts *ControlOptions) (*Control, error) {
	const op = "cleanroom: new control"
	c := &Control{}
	if opts != nil {
		c.opts = *opts
	}
	u, err := httpsURL(endpoint)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	if u.Path != "" && u.Path != "/" {
		return nil, fmt.Errorf("%s: %q goes on after the host; a room is controlled at its host and port", op, shorten(endpoint, 80))
	}
	c.endpoint = "https://" + u.Host
	roots, err := authorityPool(authority)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	if c.opts.ServerName == "" {
		c.opts.ServerName = ControlName
	}
	if c.opts.Poll <= 0 {
		c.opts.Poll = 30 * time.Second
	}
	if c.opts.Patience <= 0 {
		c.opts.Patience = 15 * time.Minute
	}
	if c.opts.DialContext == nil {
		c.opts.DialContext = (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 15 * time.Second}).DialContext
	}
	c.http = &http.Client{
		Transport: &http.Transport{
			DialContext: c.opts.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: 90 * time.Second,
			// A start waits for mounts, an export for copies: the context ends them.
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, ServerName: c.opts.ServerName},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// authorityPool wants one authority: whoever has a certificate of any of
// several would be the room.
func authorityPool(text []byte) (*x509.CertPool, error) {
	const remedy = "give what ControlAuthority returns"
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" || strings.TrimSpace(string(rest)) != "" {
		return nil, errors.New("the contract's authority is not the PEM text of one certificate; " + remedy)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the contract's authority: %w", err)
	}
	if !cert.IsCA {
		return nil, errors.New("the certificate is not one of an authority; " + remedy)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return pool, nil
}

// ControlAuthority reads the certificate of the contract's certificate authority,
// in PEM, from the governance service. Without one a room of the launcher has
// no certificate and does not start: the members enable it and generate its key
// before the deployment.
func ControlAuthority(ctx context.Context, ledger *governance.Client, contractID string) ([]byte, error) {
	op := "cleanroom: read authority of contract " + shown(contractID)
	if ledger == nil {
		return nil, errors.New(op + ": no client of the governance service")
	}
	info, err := ledger.Contract(contractID).CA().Info(ctx)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", op, err)
	case !info.Enabled:
		return nil, fmt.Errorf("%s: it has none; propose it with CAClient.ProposeEnable, and have the members vote", op)
	case info.CertificatePEM == nil:
		return nil, fmt.Errorf("%s: it has no key yet; have a member call CAClient.GenerateSigningKey", op)
	}
	return info.CertificatePEM, nil
}

// Close closes idle connections.
func (c *Control) Close() { c.http.CloseIdleConnections() }

// String is the address.
func (c *Control) String() string { return "cleanroom.Control(" + c.endpoint + ")" }

// Start starts an application, for which the members' consent to the execution
// is needed. The launcher waits for the application's mounts first, for six
// minutes each. An application that was started before is started again: look
// with [Control.Status] before repeating a call whose answer was lost.
func (c *Control) Start(ctx context.Context, application string) error {
	_, err := c.call(ctx, "start "+shown(application), http.MethodPost, application, "start")
	return err
}

// ExportLogs has the applications' logs copied to the sink of
// [ApplicationTelemetry]; the members' consent to logging is needed.
func (c *Control) ExportLogs(ctx context.Context) error {
	_, err := c.call(ctx, "export logs", http.MethodPost, "", "exportLogs")
	return err
}

// ExportTelemetry has the platform's telemetry copied to the sink of
// [InfrastructureTelemetry]; the members' consent to telemetry is needed.
func (c *Control) ExportTelemetry(ctx context.Context) error {
	_, err := c.call(ctx, "export telemetry", http.MethodPost, "", "exportTelemetry")
	return err
}

// The states of an application, as the room's container engine names them.
const (
	StateCreated = "created"
	StateRunning = "running"
	StateExited  = "exited"
)

// ControlStatus is the state of an application.
type ControlStatus struct {
	Application string
	// State is one of the constants above, or another of the engine. In
	// [ControlOptions.Progress] it is also "" while the room does not listen or
	// knows no such application.
	State string
	// ExitCode counts once State is [StateExited].
	ExitCode int
}

func (s ControlStatus) String() string {
	switch s.State {
	case "":
		return s.Application + " is not there yet"
	case StateExited:
		return fmt.Sprintf("%s has exited with code %d", s.Application, s.ExitCode)
	}
	return s.Application + " is " + shown(s.State)
}

// Status says how an application is. One that was not started yet is not known
// to the room: the error is a [*ControlError] with [ControlNotFound]. Each call
// writes an audit event.
func (c *Control) Status(ctx context.Context, application string) (ControlStatus, error) {
	op := "status of " + shown(application)
	body, err := c.call(ctx, op, http.MethodGet, application, "status")
	if err != nil {
		return ControlStatus{}, err
	}
	var doc struct {
		Status   string `json:"status"`
		ExitCode *int   `json:"exit_code"`
	}
	if err := json.Unmarshal(body, &doc); err != nil || doc.Status == "" || doc.Status == StateExited && doc.ExitCode == nil {
		return ControlStatus{}, fmt.Errorf("cleanroom: control: %s: the answer has no state, or no exit code of what has exited: %s", op, shown(string(body)))
	}
	s := ControlStatus{Application: application, State: doc.Status}
	if doc.Status == StateExited {
		s.ExitCode = *doc.ExitCode
	}
	return s, nil
}

// call sends one request, and never twice. Without an application the verb is
// the room's.
func (c *Control) call(ctx context.Context, op, method, application, verb string) ([]byte, error) {
	target := c.endpoint + "/gov/" + verb
	if verb == "start" || verb == "status" {
		// The room judges paths by a pattern: one with more segments would be
		// another call.
		if application == "" || application == "." || application == ".." || strings.ContainsAny(application, "/\\") || len(application) > 253 {
			return nil, fmt.Errorf("cleanroom: control: %q is no name of an application", shorten(application, 80))
		}
		target = c.endpoint + "/gov/" + url.PathEscape(application) + "/" + verb
	}
	req, err := http.NewRequestWithContext(ctx, method, target, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("cleanroom: control: %s: %w", op, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("cleanroom: control: %s: %w%s", op, err, c.trustRemedy(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxControlAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("cleanroom: control: %s: read answer: %w", op, err)
	}
	if len(body) > maxControlAnswer {
		return nil, fmt.Errorf("cleanroom: control: %s: the answer is longer than %d bytes", op, maxControlAnswer)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, newControlError(op, resp.StatusCode, body)
	}
	return body, nil
}

// untrusted reports that the peer is not the contract's room; waiting will not
// make it one.
func untrusted(err error) bool {
	var cert *tls.CertificateVerificationError
	return errors.As(err, &cert)
}

func (c *Control) trustRemedy(err error) string {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &unknown):
		return "; this is no room of the contract, or the contract's authority got another key since: read it again with ControlAuthority"
	case errors.As(err, &name):
		return "; the certificate is not for " + c.opts.ServerName + ": give the room's own name as ControlOptions.ServerName"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "; certificate and authority live for 100 days: compare the clocks, generate the authority's key anew and deploy the room again"
	case !untrusted(err):
		return ""
	}
	return "; this is no room of the contract"
}
