package sidecar

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/internal/keywrap"
)

// Upstream carries what a program sent to the service as it stands, and the
// service's answer back. Through this module's room client it would be read and
// written anew on the way, and a certificate would be for the client's key.
type Upstream struct {
	// Key and Evidence are made once for each sidecar.
	Key      *rsa.PrivateKey
	Evidence *governance.Evidence

	client *http.Client
	url    string // of the contract
	public string // base64 of the key in PEM
}

// NewUpstream makes key and evidence. The URL is that of the room's contract,
// https://<host>/app/contracts/<id>; the client trusts the service.
func NewUpstream(ctx context.Context, client *http.Client, url string, attester governance.Attester) (*Upstream, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("sidecar: room key: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("sidecar: room key: %w", err)
	}
	public := bytes.TrimSuffix(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), []byte("\n"))
	evidence, err := attester.Evidence(ctx, public)
	if err != nil {
		return nil, fmt.Errorf("sidecar: make evidence: %w", err)
	}
	return &Upstream{key, evidence, client, url, base64.StdEncoding.EncodeToString(public)}, nil
}

// attested is a body with evidence, and with the key to encrypt the answer to.
func (u *Upstream) attested() map[string]any {
	encode := base64.StdEncoding.EncodeToString
	evidence := map[string]string{"evidence": encode(u.Evidence.Report), "endorsements": encode(u.Evidence.Certificates)}
	if len(u.Evidence.UVMEndorsements) > 0 {
		evidence["uvm_endorsements"] = encode(u.Evidence.UVMEndorsements)
	}
	return map[string]any{"platform": "snp-caci", "attestation": evidence, "encrypt": map[string]string{"publicKey": u.public}}
}

// signed is a body with data that the room signs.
func (u *Upstream) signed(data []byte) (map[string]any, error) {
	sum := sha256.Sum256(data)
	signature, err := rsa.SignPSS(rand.Reader, u.Key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	if err != nil {
		return nil, err
	}
	body := u.attested()
	body["data"] = base64.StdEncoding.EncodeToString(data)
	body["timestamp"] = strconv.FormatInt(time.Now().UnixMilli(), 10)
	body["sign"] = map[string]string{"signature": base64.StdEncoding.EncodeToString(signature), "publicKey": u.public}
	return body, nil
}

// refused is an answer of the service that goes to the program as it stands.
type refused struct {
	status int
	body   []byte
}

func (e *refused) Error() string {
	return strings.TrimSpace(fmt.Sprintf("status %d %s", e.status, e.body))
}

// opened posts the body below the contract, and opens the encrypted answer.
func (u *Upstream) opened(ctx context.Context, below string, body map[string]any) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.url+below, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := u.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 8*maxBody))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, &refused{resp.StatusCode, answer}
	}
	var doc struct {
		Value []byte `json:"value"`
	}
	if err := json.Unmarshal(answer, &doc); err != nil {
		return nil, err
	}
	return keywrap.UnwrapRSAAES(u.Key, keywrap.RSAAES256, doc.Value)
}
