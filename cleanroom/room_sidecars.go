package cleanroom

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/internal/check"
	"github.com/cleanroom-go/sdk/skr"
)

// Variables that say where the sidecars of a room listen on loopback, and that
// they are there. The platform gives the first two to its own containers.
const (
	SKRPortVariable        = "SKR_PORT"        // usually 8284
	IdentityPortVariable   = "IDENTITY_PORT"   // usually 8290
	GovernancePortVariable = "GOVERNANCE_PORT" // usually 8300
	SecretsPortVariable    = "SECRETS_PORT"    // usually 9300
)

// ContractVariable names the contract to a program that has no
// [GovernanceVariable], in a deployment that the platform's own tools made. The
// sidecars know it, but tell nobody.
const ContractVariable = "CLEANROOM_CONTRACT_ID"

// RoomSidecars say where the sidecars of a room are. Addresses are
// http://<address>:<port> with a literal loopback address; empty means the port
// in the environment, or the platform's.
type RoomSidecars struct {
	SKR, Identity, Governance, Secrets string
	// ContractID is the contract; empty means that of the environment.
	ContractID string
	// Transport is put around the connections to the sidecars; nil means
	// nothing. It sees keys, tokens and secrets in the bodies.
	Transport func(http.RoundTripper) http.RoundTripper
}

// maxSidecarWait bounds the waiting for the sidecars to start.
const maxSidecarWait = 5 * time.Minute

// way decides between the device and the sidecars; see [Enter].
func (o *RoomOptions) way(getenv func(string) string) (*RoomSidecars, error) {
	switch {
	case o.Attester != nil && o.Sidecars != nil:
		return nil, errors.New("RoomOptions has both Attester and Sidecars; a room goes one way")
	case o.Attester != nil:
		return nil, nil
	}
	s := RoomSidecars{}
	if o.Sidecars != nil {
		s = *o.Sidecars
	}
	named := o.Sidecars != nil
	for _, p := range []struct {
		variable, platform string
		to                 *string
	}{
		{SKRPortVariable, skr.SidecarURL, &s.SKR}, {IdentityPortVariable, skr.IdentitySidecarURL, &s.Identity},
		{GovernancePortVariable, governance.SidecarURL, &s.Governance}, {SecretsPortVariable, skr.SecretsSidecarURL, &s.Secrets},
	} {
		port := getenv(p.variable)
		named = named || port != ""
		switch n, err := strconv.ParseUint(port, 10, 16); {
		case *p.to != "":
		case port == "":
			*p.to = p.platform
		case err != nil || n == 0:
			return nil, fmt.Errorf("%s is %q, which is no port", p.variable, shorten(port, 20))
		default:
			*p.to = "http://127.0.0.1:" + strconv.FormatUint(n, 10)
		}
	}
	if !named && (getenv(GovernanceVariable) != "" || getenv(ContractVariable) == "") {
		return nil, nil
	}
	return &s, nil
}

// environment is what the room is told about its contract. With sidecars the
// contract's id is all that is needed.
func (s *RoomSidecars) environment(getenv func(string) string) (GovernanceEnvironment, error) {
	var env GovernanceEnvironment
	if value := getenv(GovernanceVariable); value != "" || s == nil {
		var err error
		if env, err = ParseGovernanceEnvironment(value); err != nil || s == nil {
			return env, err
		}
	}
	id := s.ContractID
	for _, other := range []string{getenv(ContractVariable), env.ContractID} {
		switch {
		case id == "":
			id = other
		case other != "" && other != id:
			return env, fmt.Errorf("the contract is %s in one place and %s in another of RoomOptions, %s and %s", shorten(id, 80), shorten(other, 80), ContractVariable, GovernanceVariable)
		}
	}
	if !validContractID(id) {
		return env, fmt.Errorf("no contract is named: give its id in %s or RoomOptions.Sidecars", ContractVariable)
	}
	env.ContractID = id
	return env, nil
}

// sidecars are the room's clients of them.
type sidecars struct {
	where   RoomSidecars
	options skr.SidecarOptions
	skr     *skr.SidecarClient
	secrets *skr.SecretsSidecar
}

func (r *Room) openSidecars(s *RoomSidecars) error {
	r.sidecars = &sidecars{where: *s, options: skr.SidecarOptions{Transport: s.Transport, Retry: r.azure.Retry}}
	var err error
	if r.sidecars.skr, err = skr.NewSidecarClient(s.SKR, &skr.SidecarClientOptions{SidecarOptions: r.sidecars.options, ClientOptions: r.azure}); err != nil {
		return err
	}
	if r.sidecars.secrets, err = skr.NewSecretsSidecar(s.Secrets, &r.sidecars.options); err != nil {
		return err
	}
	r.releaser, err = skr.NewSidecarReleaser(r.sidecars.skr, &skr.ReleaserOptions{ClientOptions: r.azure, OnRelease: r.released})
	return err
}

// close drops connections.
func (s *sidecars) close() {
	s.skr.Close()
	s.secrets.Close()
}

// joinSidecar waits for the governance sidecar and wants consent.
func (r *Room) joinSidecar(ctx context.Context, env GovernanceEnvironment, opts *RoomOptions) error {
	where := r.sidecars.where.Governance
	room, err := governance.NewSidecarRoom(where, env.ContractID, &governance.SidecarOptions{Transport: r.sidecars.where.Transport, Logger: opts.Logger})
	if err != nil {
		return fmt.Errorf("cleanroom: enter room: %w", err)
	}
	r.governance, r.closeGovernance = room, room.Close
	if err := r.waitFor(ctx, where); err != nil {
		return fmt.Errorf("cleanroom: enter room: the consent to execution cannot be checked, so there is none: the governance sidecar at %s does not listen: %w", where, err)
	}
	status, err := room.Consent(ctx, governance.Execution)
	var answered *governance.ServiceError
	switch {
	case err == nil:
		return r.consented(env, status)
	case errors.As(err, &answered) && answered.Code == codeAttestation:
		c := Check{
			ID: "attestation.host-data", Want: "a host data of the contract's accepted clean room policy", Got: r.sidecarHostData(ctx), Err: errNotAttested,
			Remedy: "deploy the accepted template unchanged, and have every member vote for the contract's clean room policy; compare the host data with the accepted policy",
		}
		return check.Denied("cleanroom: enter room of contract "+env.ContractID, "the governance service", []Check{c}, err)
	}
	return fmt.Errorf("cleanroom: enter room: the consent to execution cannot be checked, so there is none: %w", err)
}

// waitFor returns when something listens there. The containers of a room start
// at the same time, so the program is often the first to be ready.
func (r *Room) waitFor(ctx context.Context, endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, r.sidecarWait)
	defer cancel()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

// hostDataOffset is where a report has the 32 bytes (AMD 56860, table 23).
const hostDataOffset = 192

// sidecarHostData is this guest's host data, for an explanation only.
func (r *Room) sidecarHostData(ctx context.Context) string {
	report, err := r.sidecars.skr.Report(ctx, []byte("host data"))
	if err != nil {
		return "the sidecar's evidence, which cannot be shown: " + shorten(err.Error(), 200)
	}
	return hex.EncodeToString(report[hostDataOffset : hostDataOffset+32])
}

// fallbackUnwrapper goes to the secrets sidecar if that for keys or identities
// does not listen, and stays with it: a room does not get another container
// later. What a service refused is refused.
type fallbackUnwrapper struct {
	room    *Room
	first   skr.Unwrapper
	secrets skr.Unwrapper
	fallen  atomic.Bool
}

var _ skr.Unwrapper = (*fallbackUnwrapper)(nil)

func (u *fallbackUnwrapper) Unwrap(ctx context.Context, ref skr.SecretRef) ([]byte, error) {
	if !u.fallen.Load() {
		plain, err := u.first.Unwrap(ctx, ref)
		if !errors.Is(err, skr.ErrNoSidecar) {
			return plain, err
		}
		if u.fallen.CompareAndSwap(false, true) {
			u.room.stderr.Warn("keys are left to the secrets sidecar, whose answers cannot be checked", "error", err)
		}
	}
	return u.secrets.Unwrap(ctx, ref)
}
