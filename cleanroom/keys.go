package cleanroom

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/cleanroom-go/sdk/internal/check"
	"github.com/cleanroom-go/sdk/internal/trace"
	"github.com/cleanroom-go/sdk/internal/transport"
)

// KeysOptions are the options of [NewKeys]. The zero value is ready.
type KeysOptions struct {
	// ClientOptions are used for every vault. Bodies are never logged, since
	// one of them holds a private key.
	azcore.ClientOptions
}

// Keys is a party's side of secure key release: it puts KEKs into vaults under
// the policy of an accepted contract, and secrets beside them that only a room
// of that policy can unwrap. It holds no key and may be used by several
// goroutines.
type Keys struct {
	cred   azcore.TokenCredential
	azure  azcore.ClientOptions
	tracer trace.Tracer

	mu      sync.Mutex
	keys    map[string]*azkeys.Client
	secrets map[string]*azsecrets.Client
}

// NewKeys makes a client of the party's vaults. The identity behind cred needs
// the roles Key Vault Crypto Officer and Key Vault Secrets Officer.
func NewKeys(cred azcore.TokenCredential, opts *KeysOptions) (*Keys, error) {
	if cred == nil {
		return nil, errors.New("cleanroom: new keys: no credential")
	}
	if opts == nil {
		opts = &KeysOptions{}
	}
	return &Keys{
		cred:    cred,
		azure:   transport.Harden(opts.ClientOptions, nil),
		tracer:  trace.New(opts.TracingProvider, "cleanroom"),
		keys:    map[string]*azkeys.Client{},
		secrets: map[string]*azsecrets.Client{},
	}, nil
}

func (k *Keys) keyClient(vaultURL string) (*azkeys.Client, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c := k.keys[vaultURL]; c != nil {
		return c, nil
	}
	c, err := azkeys.NewClient(vaultURL, k.cred, &azkeys.ClientOptions{ClientOptions: k.azure})
	if err != nil {
		return nil, err
	}
	k.keys[vaultURL] = c
	return c, nil
}

func (k *Keys) secretClient(vaultURL string) (*azsecrets.Client, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c := k.secrets[vaultURL]; c != nil {
		return c, nil
	}
	c, err := azsecrets.NewClient(vaultURL, k.cred, &azsecrets.ClientOptions{ClientOptions: k.azure})
	if err != nil {
		return nil, err
	}
	k.secrets[vaultURL] = c
	return c, nil
}

// vaultError puts a vault's refusal on one line and adds what to do. The
// service's own error stays reachable with errors.As.
type vaultError struct {
	op, role string
	err      *azcore.ResponseError
}

// explainVault is nil, a *vaultError if the service answered, or err itself
// behind the operation. role is the role that the operation needs.
func explainVault(op, role string, err error) error {
	var resp *azcore.ResponseError
	if errors.As(err, &resp) {
		return &vaultError{op, role, resp}
	}
	return fmt.Errorf("%s: %w", op, err)
}

func (e *vaultError) Unwrap() error { return e.err }

func (e *vaultError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: the vault answered %d %s", e.op, e.err.StatusCode, http.StatusText(e.err.StatusCode))
	if e.err.ErrorCode != "" {
		fmt.Fprintf(&b, " (%s)", check.Printable(shorten(e.err.ErrorCode, 100)))
	}
	if message := vaultMessage(e.err.RawResponse); message != "" {
		fmt.Fprintf(&b, ": %s", message)
	}
	if remedy := e.remedy(); remedy != "" {
		fmt.Fprintf(&b, "; %s", remedy)
	}
	return b.String()
}

func (e *vaultError) remedy() string {
	switch e.err.StatusCode {
	case http.StatusUnauthorized:
		return "sign in to the tenant of the vault"
	case http.StatusForbidden:
		return "assign the role " + e.role + " on this vault to the identity in use; it can take minutes to act"
	case http.StatusConflict:
		return "a deleted object of this name may still be recoverable: recover or purge it, or choose another name"
	case http.StatusTooManyRequests:
		return "wait and try again"
	}
	return ""
}

// vaultMessage is the first line of the service's explanation. Vaults do not
// repeat the values they were sent.
func vaultMessage(resp *http.Response) string {
	if resp == nil || resp.Body == nil {
		return ""
	}
	var doc struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if runtime.UnmarshalAsJSON(resp, &doc) != nil {
		return ""
	}
	line, _, _ := strings.Cut(doc.Error.Message, "\n")
	return check.Printable(shorten(strings.TrimSpace(line), 300))
}

// isNotFound reports whether the vault has no object of the name.
func isNotFound(err error) bool {
	var resp *azcore.ResponseError
	return errors.As(err, &resp) && resp.StatusCode == http.StatusNotFound
}
