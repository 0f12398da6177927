package cleanroomtest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/cleanroom-go/sdk/internal/emulator/snpmachine"
	"github.com/cleanroom-go/sdk/skr"
)

// joinFile is what a second process needs to reach the environment. What is
// secret in it opens nothing outside this one environment, which ends with the
// process that started it; the file has mode 0600 all the same.
type joinFile struct {
	Address string         `json:"address"`
	CA      string         `json:"ca"`
	Ledger  string         `json:"ledgerCertificate,omitempty"`
	Account *accountRecord `json:"account,omitempty"`
	Guest   *guestRecord   `json:"guest,omitempty"`
}

type accountRecord struct {
	TenantID string `json:"tenantId"`
	ClientID string `json:"clientId"`
	Secret   string `json:"secret"`
}

type guestRecord struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
}

// Conn is one process's, and one party's, way into an environment.
type Conn struct {
	file      joinFile
	roots     *x509.CertPool
	transport *http.Transport
	wrap      func(http.RoundTripper) http.RoundTripper
	cred      azcore.TokenCredential
}

// ConnOptions are the options of [Join]. nil works.
type ConnOptions struct {
	// Wrap is put around the transport, for instance to count requests.
	// nil means nothing.
	Wrap func(http.RoundTripper) http.RoundTripper
}

// Join reads a join file that [Env.WriteJoinFile] or [Guest.WriteJoinFile]
// wrote, and connects this process to that environment.
func Join(name string, opts *ConnOptions) (*Conn, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("cleanroomtest: join: %w", err)
	}
	var f joinFile
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("cleanroomtest: join: %s is not a join file: %w", name, err)
	}
	return connect(f, opts)
}

func connect(f joinFile, opts *ConnOptions) (*Conn, error) {
	c := &Conn{file: f, roots: x509.NewCertPool(), wrap: func(t http.RoundTripper) http.RoundTripper { return t }}
	if opts != nil && opts.Wrap != nil {
		c.wrap = opts.Wrap
	}
	if !c.roots.AppendCertsFromPEM([]byte(f.CA)) {
		return nil, errors.New("cleanroomtest: join: the file holds no certificate authority")
	}
	c.transport = &http.Transport{
		DialContext:         dialer{f.Address}.DialContext,
		ForceAttemptHTTP2:   true,
		IdleConnTimeout:     time.Minute,
		TLSHandshakeTimeout: 10 * time.Second,
		TLSClientConfig:     &tls.Config{RootCAs: c.roots, MinVersion: tls.VersionTLS13},
	}
	if f.Account != nil {
		cred, err := azidentity.NewClientSecretCredential(f.Account.TenantID, f.Account.ClientID, f.Account.Secret,
			&azidentity.ClientSecretCredentialOptions{ClientOptions: c.ClientOptions()})
		if err != nil {
			return nil, fmt.Errorf("cleanroomtest: join: %w", err)
		}
		c.cred = cred
	}
	return c, nil
}

// ClientOptions reach the environment's Azure services; pass them to every
// client of this module or of the Azure SDK.
func (c *Conn) ClientOptions() azcore.ClientOptions {
	return azcore.ClientOptions{Transport: c.HTTPClient(), Retry: policy.RetryOptions{RetryDelay: 50 * time.Millisecond}}
}

// HTTPClient reaches the environment's services. It follows no redirects.
func (c *Conn) HTTPClient() *http.Client {
	return &http.Client{
		Transport:     c.wrap(c.transport),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// DialContext connects to a host of the environment, and to no other.
func (c *Conn) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return dialer{c.file.Address}.DialContext(ctx, network, address)
}

// Wrap is the Wrap of [ConnOptions], for clients with a transport of their own.
func (c *Conn) Wrap(t http.RoundTripper) http.RoundTripper { return c.wrap(t) }

// Roots holds the environment's certificate authority and nothing else.
func (c *Conn) Roots() *x509.CertPool { return c.roots }

// ServiceCertificate is the ledger's certificate in PEM, as its operator hands
// it to every party. It is the one of the moment in which the connection was
// made: empty before [Env.StartLedger].
func (c *Conn) ServiceCertificate() []byte { return []byte(c.file.Ledger) }

// Credential is the party's own account; nil for a room, which has none.
func (c *Conn) Credential() azcore.TokenCredential { return c.cred }

// CredentialFor is the party's own account for those clients that choose an
// account by tenant and client id. Any other account is refused.
func (c *Conn) CredentialFor(tenantID, clientID string) (azcore.TokenCredential, error) {
	if a := c.file.Account; a == nil || a.TenantID != tenantID || a.ClientID != clientID {
		return nil, fmt.Errorf("cleanroomtest: this connection has no account %s of tenant %s", clientID, tenantID)
	}
	return c.cred, nil
}

// Attester is the machine that a room runs on; nil for a party.
func (c *Conn) Attester() skr.Attester {
	if c.file.Guest == nil {
		return nil
	}
	return snpmachine.RemoteGuest(c.HTTPClient(), "https://"+guestHost, c.file.Guest.ID, c.file.Guest.Secret)
}

// Close closes idle connections.
func (c *Conn) Close() { c.transport.CloseIdleConnections() }

func writeJoinFile(name string, f joinFile) error {
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("cleanroomtest: join file: %w", err)
	}
	if err := os.WriteFile(name, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("cleanroomtest: join file: %w", err)
	}
	return nil
}
