package vaultsigner

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/cleanroom-go/sdk/governance"
)

// certificateAPI is the api-version of the one call about certificates.
const certificateAPI = "7.4"

// maxCertificate bounds the answer, which has about 2 kB.
const maxCertificate = 1 << 20

// Member reads the certificate at https://<vault>/certificates/<name>[/<version>]
// and gives the member whose key is the certificate's, signed with in the vault.
// The context bounds this call and every later signature.
func Member(ctx context.Context, certificateID string, credential azcore.TokenCredential, opts *Options) (*governance.Member, error) {
	cert, keyID, err := Certificate(ctx, certificateID, credential, opts)
	if err != nil {
		return nil, err
	}
	return member(ctx, cert, keyID, credential, opts)
}

// MemberPEM is [Member] for a certificate in PEM of the key at keyID.
func MemberPEM(ctx context.Context, certificatePEM []byte, keyID string, credential azcore.TokenCredential, opts *Options) (*governance.Member, error) {
	for rest := certificatePEM; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errors.New("vaultsigner: member certificate: no PEM block of type CERTIFICATE")
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("vaultsigner: member certificate: %w", err)
		}
		return member(ctx, cert, keyID, credential, opts)
	}
}

func member(ctx context.Context, cert *x509.Certificate, keyID string, credential azcore.TokenCredential, opts *Options) (*governance.Member, error) {
	signer, err := New(ctx, keyID, credential, opts)
	if err != nil {
		return nil, err
	}
	m, err := governance.NewMember(cert, signer)
	if err != nil {
		return nil, fmt.Errorf("vaultsigner: key %s: %w; was the key rotated since the certificate was made? name its version", signer.KeyID(), err)
	}
	return m, nil
}

// Certificate reads a certificate and the address of its key.
func Certificate(ctx context.Context, certificateID string, credential azcore.TokenCredential, opts *Options) (cert *x509.Certificate, keyID string, err error) {
	id, err := parseID(certificateID, "certificates")
	if err != nil {
		return nil, "", err
	}
	op := "vaultsigner: read certificate " + id.String()
	if credential == nil {
		return nil, "", fmt.Errorf("%s: a credential is needed", op)
	}
	var doc struct {
		ID          string `json:"id"`
		KeyID       string `json:"kid"`
		Certificate []byte `json:"cer"`
	}
	if err := get(ctx, op, id, credential, opts, &doc); err != nil {
		return nil, "", err
	}
	found, err := parseID(doc.ID, "certificates")
	if err != nil || found.host != id.host || found.name != id.name || (id.version != "" && found.version != id.version) {
		return nil, "", fmt.Errorf("%s: the vault answered with another certificate, %q", op, shorten(doc.ID))
	}
	// The key is where the certificate is: the vault cannot send the credential
	// elsewhere.
	key, err := parseID(doc.KeyID, "keys")
	if err != nil || key.host != id.host || key.version == "" {
		return nil, "", fmt.Errorf("%s: the vault names %q as its key, which is none of this vault", op, shorten(doc.KeyID))
	}
	if cert, err = x509.ParseCertificate(doc.Certificate); err != nil {
		return nil, "", fmt.Errorf("%s: %w", op, err)
	}
	return cert, key.String(), nil
}

// get reads a JSON document of the vault.
func get(ctx context.Context, op string, id objectID, credential azcore.TokenCredential, opts *Options, v any) error {
	o := withDefaults(opts)
	// Certificates exist in Key Vaults alone, whose audience is the domain of
	// their name in every cloud.
	_, domain, ok := strings.Cut(id.host, ".")
	if !ok {
		return fmt.Errorf("%s: %s is no host of a vault", op, id.host)
	}
	client, err := azcore.NewClient("vaultsigner", "v0.1.0", runtime.PipelineOptions{
		PerRetry: []policy.Policy{runtime.NewBearerTokenPolicy(credential, []string{"https://" + domain + "/.default"}, nil)},
		Tracing:  runtime.TracingOptions{Namespace: "Microsoft.KeyVault"},
	}, &o.ClientOptions)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	req, err := runtime.NewRequest(ctx, http.MethodGet, id.String())
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	req.Raw().URL.RawQuery = "api-version=" + certificateAPI
	runtime.SkipBodyDownload(req)
	resp, err := client.Pipeline().Do(req)
	if err != nil {
		return explain(op, "certificates/read", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxCertificate+1))
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", op, err)
	case len(body) > maxCertificate:
		return fmt.Errorf("%s: the answer is longer than %d bytes", op, maxCertificate)
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body = io.NopCloser(strings.NewReader(string(body)))
		return explain(op, "certificates/read", runtime.NewResponseError(resp))
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%s: the answer is not what a vault sends: %w", op, err)
	}
	return nil
}
