package cleanroomtest

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/internal/emulator/sidecar"
	"github.com/cleanroom-go/sdk/skr"
)

// Names of the sidecars of a room, and of the variables with their ports.
const (
	SKRSidecar      = "SKR_PORT"
	IdentitySidecar = "IDENTITY_PORT"
	// GovernanceSidecar and SecretsSidecar have no variable on the platform.
	GovernanceSidecar = "GOVERNANCE_PORT"
	SecretsSidecar    = "SECRETS_PORT"
)

// SidecarsOptions are the options of [Guest.Sidecars]; nil works.
type SidecarsOptions struct {
	// November2024 makes the SKR sidecar that of the reference implementation:
	// without /attest/combined, and with other texts of errors.
	November2024 bool
	// Without are the names of sidecars that are not started. The identity
	// sidecar needs the governance one all the same, which is then nobody else's.
	Without []string
	// Wrap is put around each sidecar's handler, for instance to count requests
	// or to have it misbehave. nil means nothing.
	Wrap func(name string, h http.Handler) http.Handler
	// Conn are the options of the sidecars' own way out of the room.
	Conn *ConnOptions
}

// Sidecars are the platform's sidecars of a guest, on ports of their own.
type Sidecars struct {
	ports      map[string]string
	governance *Sidecar
	conn       *Conn
	room       *governance.SidecarRoom
	servers    []*http.Server
	served     []chan struct{}
}

// Sidecars starts the guest's sidecars for governance, secure key release,
// identities and secrets, as a room of the contract, in plain HTTP on loopback
// as in a room. The identities are those of both parties. Without a contract only
// the one for secure key release is started. Close them before the environment.
func (g *Guest) Sidecars(contractID string, opts *SidecarsOptions) (_ *Sidecars, err error) {
	if opts == nil {
		opts = &SidecarsOptions{}
	}
	s := &Sidecars{ports: map[string]string{}}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("cleanroomtest: sidecars: %w", err), s.Close())
		}
	}()
	if s.conn, err = g.Connect(opts.Conn); err != nil {
		return nil, err
	}
	generation := sidecar.Current
	if opts.November2024 {
		generation = sidecar.November2024
	}
	azure := s.conn.ClientOptions()
	handlers := []handler{{SKRSidecar, sidecar.NewKeyRelease(sidecar.KeyReleaseOptions{
		Generation: generation, Attester: g, Azure: azure, Client: s.conn.HTTPClient(), Roots: s.conn.Roots(),
	})}}
	if contractID != "" {
		if s.governance, err = g.GovernanceSidecar(contractID); err != nil {
			return nil, err
		}
		if s.room, err = governance.NewSidecarRoom(s.governance.URL, contractID, nil); err != nil {
			return nil, err
		}
		credential := g.env.roomCredential(s.conn, s.room)
		handlers = append(handlers, handler{GovernanceSidecar, s.governance.server.Handler}, handler{IdentitySidecar, sidecar.NewIdentity(credential)},
			handler{SecretsSidecar, sidecar.NewSecrets(sidecar.SecretsOptions{
				Generation: generation, Attester: g, Credential: credential, Azure: azure,
				Releaser: skr.ReleaserOptions{ClientOptions: azure, Roots: s.conn.Roots()},
			})})
	}
	for _, h := range handlers {
		if slices.Contains(opts.Without, h.name) {
			continue
		}
		if opts.Wrap != nil {
			h.Handler = opts.Wrap(h.name, h.Handler)
		}
		if err := s.serve(h); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// roomCredential makes a new credential for every call, as the genuine sidecar
// does: the governance sidecar's token is what the identity proves itself with.
func (e *Env) roomCredential(conn *Conn, room *governance.SidecarRoom) skr.CredentialFunc {
	return func(tenantID, clientID string) (azcore.TokenCredential, error) {
		known := false
		for _, p := range e.parties {
			known = known || p.IdentityID == clientID
		}
		if !known {
			return nil, sidecar.ErrUnknownClient
		}
		assertion := tokenOf{room, tenantID}
		return skr.NewAssertionCredential(tenantID, clientID, assertion.get, &skr.AssertionCredentialOptions{ClientOptions: conn.ClientOptions()})
	}
}

type handler struct {
	name string
	http.Handler
}

func (s *Sidecars) serve(h handler) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	_, s.ports[h.name], _ = net.SplitHostPort(listener.Addr().String())
	server := &http.Server{Handler: h.Handler, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan struct{})
	s.servers, s.served = append(s.servers, server), append(s.served, served)
	go func() {
		defer close(served)
		_ = server.Serve(listener) // ends with ErrServerClosed when Close ends it
	}()
	return nil
}

// URL is the address of one of the sidecars, http://127.0.0.1:<port>, empty if
// it was not started.
func (s *Sidecars) URL(name string) string {
	if s.ports[name] == "" {
		return ""
	}
	return "http://127.0.0.1:" + s.ports[name]
}

// Getenv is the environment of the room's program as far as the sidecars are
// concerned: the ports under the sidecars' names, closed ones for those that
// were not started, and what inner has.
func (s *Sidecars) Getenv(inner func(string) string) func(string) string {
	return func(name string) string {
		switch name {
		case SKRSidecar, IdentitySidecar, GovernanceSidecar, SecretsSidecar:
			if s.ports[name] == "" {
				return closedPort
			}
			return s.ports[name]
		}
		return inner(name)
	}
}

// closedPort is one on which nothing listens: the first one, which no system
// gives out by itself.
const closedPort = "1"

// Close stops the sidecars.
func (s *Sidecars) Close() error {
	var errs []error
	for i, server := range s.servers {
		errs = append(errs, server.Close())
		<-s.served[i]
	}
	if s.room != nil {
		s.room.Close()
	}
	if s.governance != nil {
		errs = append(errs, s.governance.Close())
	}
	if s.conn != nil {
		s.conn.Close()
	}
	return errors.Join(errs...)
}
