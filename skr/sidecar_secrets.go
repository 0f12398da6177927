package skr

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/cleanroom-go/sdk/internal/check"
)

// SecretsSidecar has the secrets sidecar of a room read and unwrap secrets. It
// is for rooms whose SKR sidecar cannot be reached: for each secret it repeats
// attestation, release and two exchanges of tokens, opens nothing but RSA-OAEP
// with SHA-256 of base64, and shows nothing of what it did, so that nothing can
// be checked. It is safe for concurrent use.
type SecretsSidecar struct{ *sidecarClient }

var _ Unwrapper = (*SecretsSidecar)(nil)

// NewSecretsSidecar makes a client of the sidecar at endpoint,
// [SecretsSidecarURL] if it is empty. Nothing is sent.
func NewSecretsSidecar(endpoint string, opts *SidecarOptions) (*SecretsSidecar, error) {
	if endpoint == "" {
		endpoint = SecretsSidecarURL
	}
	c, err := newSidecarClient("secrets sidecar", endpoint, opts)
	if err != nil {
		return nil, err
	}
	return &SecretsSidecar{c}, nil
}

// Close closes idle connections.
func (s *SecretsSidecar) Close() { s.close() }

// Unwrap implements [Unwrapper], on POST /secrets/unwrap. The caller should
// clear the result after use.
//
// The sidecar drops the ports of the KEK's vault and attestation service, so a
// reference with one is refused: another service would be asked. So is one that
// pins the wrapped value, by the check secret.digest: the sidecar shows only what
// it unwrapped, and passes the pin over.
func (s *SecretsSidecar) Unwrap(ctx context.Context, ref SecretRef) ([]byte, error) {
	ref, err := ref.Normalize()
	if err != nil {
		return nil, err
	}
	op := "skr: unwrap secret " + ref.Name + " of " + hostOf(ref.VaultURL)
	for _, endpoint := range []string{ref.KEK.VaultURL, ref.KEK.AttestationURL} {
		if hasPort(endpoint) {
			return nil, fmt.Errorf("%s: the secrets sidecar would drop the port of %s; serve it on 443, or use the SKR sidecar", op, endpoint)
		}
	}
	if ref.Digest != [32]byte{} {
		return nil, check.Denied(op, "this program", []Check{{
			ID: "secret.digest", Want: encodePin(ref.Digest), Got: "a sidecar that does not show the wrapped value", Err: errUnpinned,
			Remedy: "have the room's SKR and identity sidecars running; then the vault is read and the value compared here",
		}}, nil)
	}
	o, err := s.call(ctx, http.MethodPost, "/secrets/unwrap", ref)
	if err != nil {
		return nil, s.failure(op, ref, err)
	}
	text, err := textMember(o, "value")
	if err != nil {
		return nil, fmt.Errorf("%s: the %s: %w", op, s.name, err)
	}
	plain, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%s: the %s: the value is not base64", op, s.name)
	}
	return plain, nil
}

func hasPort(endpoint string) bool {
	u, err := url.Parse(endpoint)
	return err != nil || u.Port() != ""
}

// failure tells a refusal of the key's vault from other failures. The status is
// that of the hop that failed, whichever it was.
func (s *SecretsSidecar) failure(op string, ref SecretRef, err error) error {
	var refused *SidecarError
	if !errors.As(err, &refused) || refused.StatusCode != http.StatusForbidden {
		return fmt.Errorf("%s: %w", op, err)
	}
	return check.Denied(op, "a service behind the secrets sidecar", []Check{{
		ID: "secret.unwrap", Want: "a room and an identity that may have the key " + ref.KEK.String() + " and the secret", Got: orAbsent(refused.Message),
		Remedy: "compare this room's host data with the key's release policy, and check that the identity may release the key and read the secret; the SKR sidecar or the device show which it is",
		Err:    errRefused,
	}}, err)
}

// Format names the sidecar.
func (s *SecretsSidecar) Format(f fmt.State, _ rune) { fmt.Fprint(f, "client of the ", s.name) }

var _ fmt.Formatter = (*SecretsSidecar)(nil)
