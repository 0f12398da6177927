package skr

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

type KeyRef struct{ Name, Version, VaultURL, AttestationURL string }

func (r KeyRef) Validate() error { return errors.ErrUnsupported }

func (r KeyRef) MarshalJSON() ([]byte, error)     { return nil, errors.ErrUnsupported }
func (r *KeyRef) UnmarshalJSON(data []byte) error { return errors.ErrUnsupported }

type SecretRef struct {
	ClientID, TenantID, Name, Version, VaultURL string
	KEK                                         KeyRef
}

func (r SecretRef) Validate() error { return errors.ErrUnsupported }

func (r SecretRef) MarshalJSON() ([]byte, error)     { return nil, errors.ErrUnsupported }
func (r *SecretRef) UnmarshalJSON(data []byte) error { return errors.ErrUnsupported }

type Claims map[string]any

type AttestationToken struct{}

func (t *AttestationToken) Raw() string        { return "" }
func (t *AttestationToken) Claims() Claims     { return nil }
func (t *AttestationToken) Expires() time.Time { return time.Time{} }

type MAAClientOptions struct {
	azcore.ClientOptions
	Leeway time.Duration
}

type MAAClient struct{}

func NewMAAClient(endpoint string, opts *MAAClientOptions) (*MAAClient, error) {
	return nil, errors.ErrUnsupported
}

func (c *MAAClient) Attest(ctx context.Context, ev *Evidence, nonce string) (*AttestationToken, error) {
	return nil, errors.ErrUnsupported
}

func (c *MAAClient) Verify(ctx context.Context, raw, nonce string) (*AttestationToken, error) {
	return nil, errors.ErrUnsupported
}

type ReleasePolicy struct{}

func NewReleasePolicy(authority string, hostData ...string) (*ReleasePolicy, error) {
	return nil, errors.ErrUnsupported
}
func ParseReleasePolicy(b []byte) (*ReleasePolicy, error)   { return nil, errors.ErrUnsupported }
func (p *ReleasePolicy) Encode() []byte                     { return nil }
func (p *ReleasePolicy) Hash() [32]byte                     { return [32]byte{} }
func (p *ReleasePolicy) Equal(q *ReleasePolicy) bool        { return false }
func (p *ReleasePolicy) Authorities() []string              { return nil }
func (p *ReleasePolicy) Explain(claims Claims) *Explanation { return nil }

type Explanation struct {
	Satisfied bool
	Authority string
	Checks    []Check
}

func (e *Explanation) String() string { return "" }

type ReleaserOptions struct {
	azcore.ClientOptions
	Roots     *x509.CertPool
	Algorithm string
	TTL       time.Duration
}

type Releaser struct{}

func NewReleaser(attester Attester, opts *ReleaserOptions) (*Releaser, error) {
	return nil, errors.ErrUnsupported
}

func (r *Releaser) Release(ctx context.Context, ref KeyRef, cred azcore.TokenCredential) (*ReleasedKey, error) {
	return nil, errors.ErrUnsupported
}
func (r *Releaser) Close() error { return nil }

type ReleasedKey struct{}

func (k *ReleasedKey) Ref() KeyRef                          { return KeyRef{} }
func (k *ReleasedKey) Kind() string                         { return "" }
func (k *ReleasedKey) Decrypter() (crypto.Decrypter, error) { return nil, errors.ErrUnsupported }
func (k *ReleasedKey) Unwrap(ctx context.Context, wrapped []byte) ([]byte, error) {
	return nil, errors.ErrUnsupported
}
func (k *ReleasedKey) Close() error { return nil }

type Unwrapper interface {
	Unwrap(ctx context.Context, ref SecretRef) ([]byte, error)
}
type CredentialFunc func(tenantID, clientID string) (azcore.TokenCredential, error)

type SecretUnwrapperOptions struct{ azcore.ClientOptions }

type SecretUnwrapper struct{}

func NewSecretUnwrapper(r *Releaser, credential CredentialFunc, opts *SecretUnwrapperOptions) (*SecretUnwrapper, error) {
	return nil, errors.ErrUnsupported
}
func (u *SecretUnwrapper) Unwrap(ctx context.Context, ref SecretRef) ([]byte, error) {
	return nil, errors.ErrUnsupported
}

type AssertionCredentialOptions struct{ azcore.ClientOptions }

func NewAssertionCredential(tenantID, clientID string, assertion func(context.Context) (string, error), opts *AssertionCredentialOptions) (azcore.TokenCredential, error) {
	return nil, errors.ErrUnsupported
}

func WrapOAEP(pub *rsa.PublicKey, plaintext []byte) ([]byte, error) {
	return nil, errors.ErrUnsupported
}
