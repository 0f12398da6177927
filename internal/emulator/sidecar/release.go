package sidecar

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/go-jose/go-jose/v4"

	"github.com/cleanroom-go/sdk/internal/keywrap"
	"github.com/cleanroom-go/sdk/skr"
)

// attest is the sidecar's way to a token: report, certificates, attestation
// service, and no nonce that anybody would compare.
func (s *KeyRelease) attest(ctx context.Context, host string, runtimeData []byte) (string, error) {
	service, err := skr.NewMAAClient(host, &skr.MAAClientOptions{ClientOptions: s.o.Azure})
	if err != nil {
		return "", err
	}
	ev, err := s.o.Attester.Attest(ctx, runtimeData)
	if err != nil {
		return "", err
	}
	token, err := service.Attest(ctx, ev, "")
	if err != nil {
		return "", err
	}
	return token.Raw(), nil
}

// upstream is the text of a service's failure, which ends with its status as
// that of the sidecar does.
func upstream(err error) string {
	var resp *azcore.ResponseError
	if !errors.As(err, &resp) {
		return err.Error()
	}
	var body []byte
	if resp.RawResponse != nil {
		body, _ = runtime.Payload(resp.RawResponse)
	}
	return statusText(string(body), resp.StatusCode)
}

func statusText(body string, status int) string {
	return fmt.Sprintf("%s: http response status equal to %d %s", body, status, http.StatusText(status))
}

// release is one release with a key pair of its own. The endpoints are pasted
// as they stand, and so is the key's name.
func (s *KeyRelease) release(ctx context.Context, maa, akv, kid, token string) ([]byte, error) {
	if token == "" {
		return nil, errors.New("retrieving authentication token failed: no managed identity answers here")
	}
	transfer, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	encode := base64.RawURLEncoding.EncodeToString
	runtimeData := fmt.Appendf(nil, `{"keys":[{"e":"AQAB","key_ops":["encrypt"],"kid":"transfer","kty":"RSA","n":"%s"}]}`, encode(transfer.N.Bytes()))
	target, err := s.attest(ctx, maa, runtimeData)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", whatToken, upstream(err))
	}
	body, err := json.Marshal(map[string]string{"target": target})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+akv+"/keys/"+kid+"/release?api-version=7.4", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.o.Client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("pulling AKV response body failed: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("pulling AKV response body failed: %s", statusText(string(answer), resp.StatusCode))
	}
	var doc struct {
		Value string `json:"value"`
	}
	if err := json.Unmarshal(answer, &doc); err != nil {
		return nil, err
	}
	return s.open(akv, doc.Value, transfer)
}

// open verifies the vault's answer and writes the key in it as a JWK.
func (s *KeyRelease) open(host, value string, transfer *rsa.PrivateKey) ([]byte, error) {
	sig, err := jose.ParseSignedCompact(value, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, err
	}
	name := (&url.URL{Host: host}).Hostname()
	chains, err := sig.Signatures[0].Header.Certificates(x509.VerifyOptions{Roots: s.o.Roots, DNSName: name})
	if err != nil {
		return nil, err
	}
	payload, err := sig.Verify(chains[0][0].PublicKey)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Request struct {
			Enc keywrap.Algorithm `json:"enc"`
		} `json:"request"`
		Response struct {
			Key struct {
				Key struct {
					KeyOps []string `json:"key_ops"`
					KeyHSM string   `json:"key_hsm"`
				} `json:"key"`
			} `json:"key"`
		} `json:"response"`
	}
	if err := json.Unmarshal(payload, &doc); err != nil {
		return nil, err
	}
	inner, err := base64.RawURLEncoding.DecodeString(doc.Response.Key.Key.KeyHSM)
	if err != nil {
		return nil, err
	}
	var wrapped struct {
		Ciphertext string `json:"ciphertext"`
	}
	if err := json.Unmarshal(inner, &wrapped); err != nil {
		return nil, err
	}
	blob, err := base64.RawURLEncoding.DecodeString(wrapped.Ciphertext)
	if err != nil {
		return nil, err
	}
	plain, err := keywrap.UnwrapRSAAES(transfer, doc.Request.Enc, blob)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, err
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("released key type %T not supported", key)
	}
	if s.o.Generation == November2024 {
		doc.Response.Key.Key.KeyOps = nil
	}
	return jwk(private, doc.Response.Key.Key.KeyOps)
}

// jwk is the key in the sidecar's form: members in the order of the alphabet,
// integers without leading zeros.
func jwk(key *rsa.PrivateKey, ops []string) ([]byte, error) {
	number := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	return json.Marshal(struct {
		D      string   `json:"d"`
		DP     string   `json:"dp"`
		DQ     string   `json:"dq"`
		E      string   `json:"e"`
		KeyOps []string `json:"key_ops,omitempty"`
		KTY    string   `json:"kty"`
		N      string   `json:"n"`
		P      string   `json:"p"`
		Q      string   `json:"q"`
		QI     string   `json:"qi"`
	}{
		number(key.D), number(key.Precomputed.Dp), number(key.Precomputed.Dq), number(big.NewInt(int64(key.E))), ops, "RSA",
		number(key.N), number(key.Primes[0]), number(key.Primes[1]), number(key.Precomputed.Qinv),
	})
}
