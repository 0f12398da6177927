package skr

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/cleanroom-go/sdk/internal/check"
)

// Unwrapper turns a reference to a wrapped secret into the secret. The caller
// should clear the result after use.
type Unwrapper interface {
	Unwrap(ctx context.Context, ref SecretRef) ([]byte, error)
}

// CredentialFunc gives the Azure credential of an identity. In a room it is
// made by [NewAssertionCredential] from an assertion of the governance service.
// It is called once per identity.
type CredentialFunc func(tenantID, clientID string) (azcore.TokenCredential, error)

// SecretUnwrapperOptions are the options of [NewSecretUnwrapper]. The zero
// value is ready.
type SecretUnwrapperOptions struct {
	// ClientOptions are used for reading secrets; keys are released with the
	// options of the Releaser.
	azcore.ClientOptions
}

// SecretUnwrapper reads wrapped secrets from vaults and opens them with
// released keys. N secrets under one KEK cost one attestation, one release and
// N reads. It may be used by several goroutines.
type SecretUnwrapper struct {
	releaser   *Releaser
	credential CredentialFunc
	azure      azcore.ClientOptions

	mu         sync.Mutex
	identities map[identity]azcore.TokenCredential
	vaults     map[secretVaultID]*azsecrets.Client
}

type identity struct{ tenantID, clientID string }

type secretVaultID struct {
	url string
	identity
}

// NewSecretUnwrapper makes an unwrapper; it does not close the releaser.
func NewSecretUnwrapper(r *Releaser, credential CredentialFunc, opts *SecretUnwrapperOptions) (*SecretUnwrapper, error) {
	if r == nil || credential == nil {
		return nil, errors.New("skr: new secret unwrapper: a releaser and a credential function are required")
	}
	if opts == nil {
		opts = &SecretUnwrapperOptions{}
	}
	return &SecretUnwrapper{
		releaser:   r,
		credential: credential,
		azure:      opts.ClientOptions,
		identities: map[identity]azcore.TokenCredential{},
		vaults:     map[secretVaultID]*azsecrets.Client{},
	}, nil
}

// Unwrap reads the secret, whose value is base64, releases the KEK and opens
// it. If ref names no version of the KEK and the secret's tags do, that version
// is released: after a rotation the secrets of before still open, and those
// under one version share one release. If ref pins the wrapped value
// ([SecretRef.Digest]) and the vault has another, the error is a [*DeniedError]
// by the check secret.digest; a value that does not open is an [*UnwrapError].
// The caller should clear the result after use.
func (u *SecretUnwrapper) Unwrap(ctx context.Context, ref SecretRef) ([]byte, error) {
	ref, err := ref.Normalize()
	if err != nil {
		return nil, err
	}
	op := "skr: unwrap secret " + ref.Name + " of " + hostOf(ref.VaultURL)
	vault, cred, err := u.vault(ref)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	resp, err := vault.GetSecret(ctx, ref.Name, ref.Version, nil)
	if err != nil {
		return nil, secretFailure(op, ref, err)
	}
	if resp.Value == nil {
		return nil, fmt.Errorf("%s: the vault answered without a value", op)
	}
	wrapped, err := base64.StdEncoding.DecodeString(strings.TrimSpace(*resp.Value))
	if err != nil {
		// The value stays out: one may have been stored unwrapped by mistake.
		return nil, fmt.Errorf("%s: %w", op, &UnwrapError{Key: ref.KEK, reason: UnwrapEncoding})
	}
	// Before the release: a replaced value costs the vault of the KEK nothing.
	if err := checkPin(op, ref, wrapped); err != nil {
		return nil, err
	}
	kek, err := u.releaser.Release(ctx, wrappedUnder(ref.KEK, resp.Tags), cred)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	defer kek.Close()
	plain, err := kek.Unwrap(ctx, wrapped)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return plain, nil
}

// Tags with which a wrapped secret says what it was wrapped under: the name and
// the version of the KEK, and the algorithm. The reference room ignores them.
const (
	TagKEK        = "kek-kid"
	TagKEKVersion = "kek-version"
	TagAlgorithm  = "alg"
)

// wrappedUnder takes a version from the tags if ref has none. Whoever can write
// tags can write keys as well, so a reference without a version trusts him
// already; one with a version is never changed.
func wrappedUnder(ref KeyRef, tags map[string]*string) KeyRef {
	name, version := tags[TagKEK], tags[TagKEKVersion]
	if ref.Version != "" || name == nil || version == nil || *name != ref.Name {
		return ref
	}
	pinned := ref
	pinned.Version = *version
	if pinned.Validate() != nil {
		return ref
	}
	return pinned
}

// secretFailure explains why the secret could not be read.
func secretFailure(op string, ref SecretRef, err error) error {
	err = explainService(err)
	var service *serviceError
	if !errors.As(err, &service) {
		return fmt.Errorf("%s: %w", op, err)
	}
	switch service.err.StatusCode {
	case http.StatusForbidden:
		return check.Denied(op, hostOf(ref.VaultURL), []Check{{
			ID: "secret.role", Want: "the permission secrets/get for client " + ref.ClientID, Got: service.code,
			Remedy: "assign the role Key Vault Secrets User on this vault to the identity; it can take minutes to act",
			Err:    errRefused,
		}}, service)
	case http.StatusNotFound:
		return fmt.Errorf("%s: %w; check the secret's name, and that it was wrapped into this vault", op, service)
	}
	return fmt.Errorf("%s: %w", op, service)
}

// vault keeps one credential per identity and one client per vault and
// identity, so that tokens, challenges and connections are reused.
func (u *SecretUnwrapper) vault(ref SecretRef) (*azsecrets.Client, azcore.TokenCredential, error) {
	who := identity{ref.TenantID, ref.ClientID}
	u.mu.Lock()
	defer u.mu.Unlock()
	cred := u.identities[who]
	if cred == nil {
		var err error
		if cred, err = u.credential(ref.TenantID, ref.ClientID); err != nil {
			return nil, nil, fmt.Errorf("credential of client %s: %w", ref.ClientID, err)
		}
		if cred == nil {
			return nil, nil, fmt.Errorf("credential of client %s: none was given", ref.ClientID)
		}
		u.identities[who] = cred
	}
	id := secretVaultID{ref.VaultURL, who}
	client := u.vaults[id]
	if client == nil {
		var err error
		client, err = azsecrets.NewClient(ref.VaultURL, cred, &azsecrets.ClientOptions{ClientOptions: clientOptions(u.azure)})
		if err != nil {
			return nil, nil, err
		}
		u.vaults[id] = client
	}
	return client, cred, nil
}

var _ Unwrapper = (*SecretUnwrapper)(nil)
