package skr

import (
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/cleanroom-go/sdk/internal/redact"
)

// Every type that reaches a key, a token or a credential prints one line. It
// is not enough that secrets sit behind pointers: for a verb that does not fit
// a pointer, %s for instance, fmt follows the pointer after all.

// String names the key, never its value.
func (k *ReleasedKey) String() string { return "released key " + k.ref.String() + " " + redact.Text }

// GoString is String.
func (k *ReleasedKey) GoString() string { return k.String() }

// Format prints String for every verb.
func (k *ReleasedKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

// LogValue is String.
func (k *ReleasedKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalJSON is String in quotes.
func (k *ReleasedKey) MarshalJSON() ([]byte, error) { return json.Marshal(k.String()) }

// String names issuer and expiry, never the token.
func (t *AttestationToken) String() string {
	return fmt.Sprintf("attestation token of %s, expires %s, %s", t.claims.textOrAbsent(claimIssuer), stamp(t.expires), redact.Text)
}

// GoString is String.
func (t *AttestationToken) GoString() string { return t.String() }

// Format prints String for every verb.
func (t *AttestationToken) Format(f fmt.State, _ rune) { fmt.Fprint(f, t.String()) }

// LogValue is String.
func (t *AttestationToken) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalJSON is String in quotes.
func (t *AttestationToken) MarshalJSON() ([]byte, error) { return json.Marshal(t.String()) }

// Format names the endpoint.
func (c *MAAClient) Format(f fmt.State, _ rune) { fmt.Fprint(f, "attestation client of ", c.endpoint) }

// Format names the type: a releaser holds keys and credentials.
func (r *Releaser) Format(f fmt.State, _ rune) { fmt.Fprint(f, "releaser ", redact.Text) }

// Format names the type: an unwrapper holds credentials.
func (u *SecretUnwrapper) Format(f fmt.State, _ rune) {
	fmt.Fprint(f, "secret unwrapper ", redact.Text)
}

func (d *decrypter) Format(f fmt.State, _ rune) { fmt.Fprint(f, "decrypter of ", d.key.String()) }

func (c *assertionCredential) Format(f fmt.State, _ rune) {
	fmt.Fprint(f, "assertion credential of client ", c.clientID, " ", redact.Text)
}

var (
	_ fmt.Formatter  = (*ReleasedKey)(nil)
	_ slog.LogValuer = (*ReleasedKey)(nil)
	_ fmt.Formatter  = (*AttestationToken)(nil)
	_ slog.LogValuer = (*AttestationToken)(nil)
	_ fmt.Formatter  = (*MAAClient)(nil)
	_ fmt.Formatter  = (*Releaser)(nil)
	_ fmt.Formatter  = (*SecretUnwrapper)(nil)
	_ fmt.Formatter  = (*decrypter)(nil)
	_ fmt.Formatter  = (*assertionCredential)(nil)
)
