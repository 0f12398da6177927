package cleanroom

import (
	"context"
	"strings"
	"sync"

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
	assertion := func(ctx context.Context) (string, error) {
		token, err := r.governance.Token(ctx, governance.TokenRequest{
			Subject: r.contractID, TenantID: tenantID, Audience: federationAudience,
		})
		if err != nil {
			return "", err
		}
		r.step(StepToken, "governance service issued a token: subject %s, tenant %s", r.contractID, tenantID)
		return token, nil
	}
	inner, err := skr.NewAssertionCredential(tenantID, clientID, assertion, &skr.AssertionCredentialOptions{ClientOptions: r.azure})
	if err != nil {
		return nil, err
	}
	c := &steppingCredential{room: r, clientID: clientID, inner: inner, seen: map[string]bool{}}
	r.credentials[id] = c
	return c, nil
}

// unwrap opens a wrapped secret. The KEK is asked for first, so that the
// release is a step of its own; the unwrapper then finds it in the cache.
func (r *Room) unwrap(ctx context.Context, ref skr.SecretRef) ([]byte, error) {
	cred, err := r.credential(ref.TenantID, ref.ClientID)
	if err != nil {
		return nil, err
	}
	kek, err := r.releaser.Release(ctx, ref.KEK, cred)
	if err != nil {
		return nil, err
	}
	defer kek.Close()
	if r.firstRelease(kek.Ref()) {
		r.step(StepRelease, "%s released to this room", kek.Ref())
	}
	plain, err := r.unwrapper.Unwrap(ctx, ref)
	if err != nil {
		return nil, err
	}
	r.step(StepUnwrap, "%s unwrapped", ref)
	return plain, nil
}

func (r *Room) firstRelease(ref skr.KeyRef) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := !r.released[ref]
	r.released[ref] = true
	return first
}

// steppingUnwrapper, steppingSecrets, steppingAttester and steppingCredential
// are the room's parts as the packages below want them, each with its step.
type (
	steppingUnwrapper struct{ room *Room }
	steppingSecrets   struct{ room *Room }
	steppingAttester  struct {
		room  *Room
		inner skr.Attester
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
	return u.room.unwrap(ctx, ref)
}

func (s steppingSecrets) Secret(ctx context.Context, id string) ([]byte, error) {
	value, err := s.room.governance.Secret(ctx, id)
	if err == nil {
		s.room.step(StepSecret, "secret %s read from the governance service", id)
	}
	return value, err
}

func (a *steppingAttester) Attest(ctx context.Context, runtimeData []byte) (*skr.Evidence, error) {
	ev, err := a.inner.Attest(ctx, runtimeData)
	if err == nil {
		a.room.step(StepAttestation, "attestation report made for a fresh key")
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
		c.room.step(StepAzureToken, "access token of client %s for %s", c.clientID, scope)
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
