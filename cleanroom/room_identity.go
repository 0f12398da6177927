package cleanroom

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/cleanroom-go/sdk/dbsecret"
	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/skr"
)

// federationAudience is what Microsoft Entra wants an assertion to be for.
const federationAudience = "api://AzureADTokenExchange"

type roomIdentity struct{ tenantID, clientID string }

// credential is the room as one of the parties' identities: the governance
// service says in a token that the attested room runs under this contract, and
// Microsoft Entra takes that as the identity's assertion. Each identity has one
// credential, so that access tokens are shared.
func (r *Room) credential(tenantID, clientID string) (azcore.TokenCredential, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := roomIdentity{tenantID, clientID}
	if c := r.credentials[id]; c != nil {
		return c, nil
	}
	inner, err := r.identity(tenantID, clientID)
	if err != nil {
		return nil, err
	}
	c := &steppingCredential{room: r, clientID: clientID, inner: inner, seen: map[string]bool{}}
	r.credentials[id] = c
	return c, nil
}

// identity is the credential itself. The identity sidecar does the same in
// front of the governance sidecar.
func (r *Room) identity(tenantID, clientID string) (azcore.TokenCredential, error) {
	if s := r.sidecars; s != nil {
		return skr.NewSidecarCredential(s.where.Identity, tenantID, clientID, &skr.SidecarCredentialOptions{SidecarOptions: s.options})
	}
	return skr.NewAssertionCredential(tenantID, clientID, r.assertion(tenantID), &skr.AssertionCredentialOptions{ClientOptions: r.azure})
}

// assertionLifetime is how long an assertion is good for, and assertionReuse
// how long it is used: Microsoft Entra wants one for each audience of an access
// token, and those are asked for one after the other.
const (
	assertionLifetime = 5 * time.Minute
	assertionReuse    = 4 * time.Minute
)

// assertion gives tokens of the governance service for one tenant.
func (r *Room) assertion(tenantID string) func(context.Context) (string, error) {
	return reused(assertionReuse, func(ctx context.Context) (string, error) {
		token, err := r.governance.Token(ctx, governance.TokenRequest{
			Subject: r.contractID, TenantID: tenantID, Audience: federationAudience, Lifetime: assertionLifetime,
		})
		if err == nil {
			r.step(StepToken, "token from the governance service, for tenant %s", tenantID)
		}
		return token, err
	})
}

// reused keeps what get returned for that long. One caller asks at a time, and
// the others wait no longer than their own contexts let them.
func reused(keep time.Duration, get func(context.Context) (string, error)) func(context.Context) (string, error) {
	var (
		token string
		until time.Time
	)
	turn := make(chan struct{}, 1) // holds one while token and until are somebody's
	return func(ctx context.Context) (string, error) {
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		case <-ctx.Done():
			return "", ctx.Err()
		}
		if time.Now().Before(until) {
			return token, nil
		}
		asked := time.Now()
		fresh, err := get(ctx)
		if err != nil {
			return "", err
		}
		token, until = fresh, asked.Add(keep)
		return token, nil
	}
}

// unwrap opens a wrapped secret; what says what it is.
func (r *Room) unwrap(ctx context.Context, ref skr.SecretRef, what string) ([]byte, error) {
	plain, err := r.unwrapper.Unwrap(ctx, ref)
	if err != nil {
		return nil, err
	}
	r.step(StepUnwrap, "%s unwrapped", what)
	return plain, nil
}

// released tells of a key that a vault has let go.
func (r *Room) released(ref skr.KeyRef) {
	r.step(StepRelease, "key %s released to this room by %s", ref.Name, hostName(ref.VaultURL))
}

// steppingUnwrapper, steppingSecrets, steppingAttester and steppingCredential
// are the room's parts as the packages below want them, each with its step.
type (
	steppingUnwrapper struct{ room *Room }
	steppingSecrets   struct{ room *Room }
	steppingAttester  struct {
		room    *Room
		inner   skr.Attester
		purpose string
	}
	steppingCredential struct {
		room     *Room
		clientID string
		inner    azcore.TokenCredential

		mu   sync.Mutex
		seen map[string]bool // scopes
	}
	// evidenceOf is an attester as the governance service's client wants it.
	evidenceOf struct{ attester skr.Attester }
)

func (u steppingUnwrapper) Unwrap(ctx context.Context, ref skr.SecretRef) ([]byte, error) {
	if u.room.requirePins {
		if err := ref.CheckPinned(); err != nil {
			return nil, err
		}
	}
	return u.room.unwrap(ctx, ref, "database password")
}

func (s steppingSecrets) Secret(ctx context.Context, id string) ([]byte, error) {
	value, err := s.room.governance.Secret(ctx, id)
	if err == nil {
		s.room.step(StepSecret, "secret %s read from the governance service", shorten(id, 24))
	}
	return value, err
}

func (a *steppingAttester) Attest(ctx context.Context, runtimeData []byte) (*skr.Evidence, error) {
	ev, err := a.inner.Attest(ctx, runtimeData)
	if err == nil {
		a.room.step(StepAttestation, "attestation report made, for %s", a.purpose)
	}
	return ev, err
}

func (c *steppingCredential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, err := c.inner.GetToken(ctx, o)
	scope := strings.Join(o.Scopes, " ")
	c.mu.Lock()
	first := err == nil && !c.seen[scope]
	if first {
		c.seen[scope] = true
	}
	c.mu.Unlock()
	if first {
		c.room.step(StepAzureToken, "access token of identity %s for %s", c.clientID, hostName(scope))
	}
	return token, err
}

func (e evidenceOf) Evidence(ctx context.Context, runtimeData []byte) (*governance.Evidence, error) {
	ev, err := e.attester.Attest(ctx, runtimeData)
	if err != nil {
		return nil, err
	}
	return &governance.Evidence{Report: ev.Report, Certificates: ev.Certificates, UVMEndorsements: ev.UVMEndorsements}, nil
}

var (
	_ skr.Unwrapper          = steppingUnwrapper{}
	_ dbsecret.SecretGetter  = steppingSecrets{}
	_ skr.Attester           = (*steppingAttester)(nil)
	_ azcore.TokenCredential = (*steppingCredential)(nil)
	_ governance.Attester    = evidenceOf{}
)

// hostName is the host of an endpoint or scope, for a step.
func hostName(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		return shorten(endpoint, 80)
	}
	return u.Host
}
