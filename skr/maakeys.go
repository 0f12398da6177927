package skr

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// MAADiscovery is what an attestation service says about itself at
// /.well-known/openid-configuration, as far as this package reads it. A vault
// finds the keys of a policy's authority there.
type MAADiscovery struct {
	// Issuer is the iss of the service's tokens; services may leave it out.
	Issuer string
	// KeysURL is where the service publishes its keys.
	KeysURL string
	// Algorithms are those that the service signs with.
	Algorithms []string
}

// Discover reads the service's discovery document and checks that it names the
// configured host: other keys or another issuer would make vaults trust somebody
// else under this authority. Tokens are verified without it, with the keys at
// the configured host's /certs.
func (c *MAAClient) Discover(ctx context.Context) (*MAADiscovery, error) {
	op := "skr: discover " + c.host
	req, err := runtime.NewRequest(ctx, http.MethodGet, c.endpoint+"/.well-known/openid-configuration")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	var doc struct {
		Issuer     string   `json:"issuer"`
		KeysURL    string   `json:"jwks_uri"`
		Algorithms []string `json:"id_token_signing_alg_values_supported"`
	}
	if err := c.do(req, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	var l checklist
	if doc.Issuer != "" {
		l.equal("discovery.issuer", c.endpoint, doc.Issuer, "configure the host that the service calls itself")
	}
	l.equal("discovery.keys", c.endpoint+"/certs", doc.KeysURL, "do not trust this service: its keys are elsewhere")
	l.that("discovery.algorithm", algRS256, fmt.Sprint(doc.Algorithms), "ask who operates the service; tokens are RS256",
		refuseIf(!slices.Contains(doc.Algorithms, algRS256)))
	if err := l.denied(op, "this program"); err != nil {
		return nil, err
	}
	return &MAADiscovery{doc.Issuer, doc.KeysURL, doc.Algorithms}, nil
}

// key finds the key named kid; nil if the service has none of that name. A kid
// that is not in the set at hand is looked up in a fresh one: services rotate
// their keys. Callers who wait while somebody fetches share what he fetched.
func (c *MAAClient) key(ctx context.Context, kid string) (*rsa.PublicKey, error) {
	select {
	case c.lock <- struct{}{}:
		defer func() { <-c.lock }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	now := c.now()
	if c.keys != nil && now.Sub(c.fetched) < keySetLifetime {
		if pub := c.keys[kid]; pub != nil {
			return pub, nil
		}
		if now.Sub(c.missed) < missLifetime {
			return nil, nil
		}
		c.missed = now
	}
	keys, err := c.fetchKeys(ctx)
	if err != nil {
		c.missed = time.Time{} // who comes next may try at once
		return nil, fmt.Errorf("key set: %w", err)
	}
	c.keys, c.fetched = keys, now
	return keys[kid], nil
}

func (c *MAAClient) fetchKeys(ctx context.Context) (map[string]*rsa.PublicKey, error) {
	req, err := runtime.NewRequest(ctx, http.MethodGet, c.endpoint+"/certs")
	if err != nil {
		return nil, err
	}
	var doc json.RawMessage
	if err := c.do(req, &doc); err != nil {
		return nil, err
	}
	if len(doc) == 0 {
		return nil, errors.New("the answer is empty")
	}
	return parseKeySet(doc)
}
