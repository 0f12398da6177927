package datasink_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/datasink/datasinktest"
)

// azuriteAccount is the one that Azurite has.
const azuriteAccount = "devstoreaccount1"

// TestAzurite runs the suite of sinks against Azurite, a second opinion on what
// the protocol is, if AZURITE_BLOB_ENDPOINT says where it is, such as
// https://127.0.0.1:10000, and AZURITE_BLOB_CA names the PEM file with the
// certificate it was started with, made out to
// devstoreaccount1.blob.core.windows.net. Start it with --oauth basic, --cert
// and --key, and --skipApiVersionCheck. It does not know customer-provided keys,
// so that mode CPK is proved elsewhere, and it does not check the signatures of
// tokens.
func TestAzurite(t *testing.T) {
	endpoint := os.Getenv("AZURITE_BLOB_ENDPOINT")
	if endpoint == "" {
		t.Log("AZURITE_BLOB_ENDPOINT is not set: nothing was tried")
		return
	}
	client := azuriteClient(t, endpoint)
	var next atomic.Int64
	begun := time.Now().UnixNano()
	for mode, in := range map[string]func() *datasink.Options{
		"sse":    func() *datasink.Options { return &datasink.Options{Mode: datasink.SSE} },
		"sealed": func() *datasink.Options { return sealedOptions(t) },
		"cse":    func() *datasink.Options { return cseOptions(t, 1000) },
	} {
		t.Run(mode, func(t *testing.T) {
			datasinktest.Run(t, func(t *testing.T, opts *datasink.Options) *datasink.Sink {
				m := in()
				opts.Mode, opts.DEK, opts.ChunkSize, opts.Contract, opts.Datasink = m.Mode, m.DEK, m.ChunkSize, m.Contract, m.Datasink
				opts.ClientOptions = azuriteOptions(client)
				s, err := datasink.New(fmt.Sprintf("https://%s.blob.core.windows.net/suite-%x-%d", azuriteAccount, begun, next.Add(1)), azuriteToken{}, opts)
				if err != nil {
					t.Fatal(err)
				}
				return s
			})
		})
	}
	// What it cannot do must not look as if it had been done.
	s, err := datasink.New(fmt.Sprintf("https://%s.blob.core.windows.net/suite-%x-cpk", azuriteAccount, begun), azuriteToken{}, &datasink.Options{
		ClientOptions: azuriteOptions(client), Mode: datasink.CPK, DEK: newDEK(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateContainer(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w, err := s.Create(t.Context(), "a", nil); err == nil && w.Commit() == nil {
		t.Error("a write under a customer's key went through")
	}
}

// azuriteOptions try again at once: now and then Azurite ends a connection that
// a request is on its way through.
func azuriteOptions(client *http.Client) azcore.ClientOptions {
	return azcore.ClientOptions{Transport: client, Retry: policy.RetryOptions{MaxRetries: 4, RetryDelay: 10 * time.Millisecond}}
}

// azuriteClient dials the endpoint whatever the host: the name in the URL is
// the account's own.
func azuriteClient(t *testing.T, endpoint string) *http.Client {
	t.Helper()
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "https" {
		t.Fatalf("AZURITE_BLOB_ENDPOINT is %q, want an https URL: tokens go there", endpoint)
	}
	ca, err := os.ReadFile(os.Getenv("AZURITE_BLOB_CA"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatal("AZURITE_BLOB_CA has no certificate")
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, u.Host)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// azuriteToken is a token as Azurite wants it, which looks at the claims and
// not at the signature.
type azuriteToken struct{}

func (azuriteToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	now := time.Now()
	part := func(format string, args ...any) string {
		return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, format, args...))
	}
	claims := part(`{"iss":"https://sts.windows.net/00000000-0000-0000-0000-000000000000/","aud":"https://storage.azure.com","iat":%d,"nbf":%d,"exp":%d}`,
		now.Add(-time.Minute).Unix(), now.Add(-time.Minute).Unix(), now.Add(time.Hour).Unix())
	return azcore.AccessToken{Token: part(`{"alg":"RS256","typ":"JWT"}`) + "." + claims + "." + part("unchecked"), ExpiresOn: now.Add(time.Hour)}, nil
}
