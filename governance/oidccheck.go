package governance

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// CheckIssuerDocuments compares what is published below an issuer's URL, read
// from [ConfigurationPath] and [KeysPath] there, with the keys of the service,
// which [OIDCClient.Keys] reads over the pinned connection. The site's own TLS
// says nothing about the service: whoever can plant a key there can become
// every room of the tenant. What deviates is a [*DeniedError].
func CheckIssuerDocuments(issuerURL string, keys json.RawMessage, configuration, jwks []byte) error {
	const op = "check issuer documents"
	if _, err := parseIssuer(issuerURL); err != nil {
		return fmt.Errorf("governance: %s: %w", op, err)
	}
	if err := checkKeys(keys); err != nil {
		return fmt.Errorf("governance: %s: the service's: %w", op, err)
	}
	own, err := keySet(keys)
	if err != nil {
		return fmt.Errorf("governance: %s: the service's key set: %w", op, err)
	}
	published, err := keySet(jwks)
	if err != nil {
		return fmt.Errorf("governance: %s: key set: %w", op, err)
	}
	var doc struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := unambiguous(configuration, &doc); err != nil {
		return fmt.Errorf("governance: %s: configuration: %w", op, err)
	}
	const again = "publish the documents that IssuerDocuments makes of the service's keys"
	checks := []Check{
		equalCheck("issuer.url", issuerURL, doc.Issuer, again),
		equalCheck("issuer.keys-url", issuerURL+KeysPath, doc.JWKSURI, again),
	}
	seen := map[string]bool{}
	for _, k := range published {
		id := k.text("kid")
		got, want := k.public(), "a key of the service"
		if o := find(own, id); o != nil {
			want = o.public()
			seen[id] = true
		}
		checks = append(checks, equalCheck("issuer.key", want, got,
			"who holds the key can act as any room of the tenant: take it away, "+again+", and find out how it came there"))
	}
	for _, k := range own {
		if id := k.text("kid"); !seen[id] {
			checks = append(checks, equalCheck("issuer.key", k.public(), "", again))
		}
	}
	return denied(op, "this program", checks, nil)
}

// jwk is a key with its parameters as they stand.
type jwk map[string]json.RawMessage

func (k jwk) text(name string) string {
	var s string
	_ = json.Unmarshal(k[name], &s) // what is no text is none
	return s
}

// public is what verifies signatures (RFC 7518, sections 6.2.1 and 6.3.1), short
// enough for a line.
func (k jwk) public() string {
	var parts []string
	for _, name := range []string{"kty", "n", "e", "crv", "x", "y"} {
		parts = append(parts, k.text(name))
	}
	return "key " + cut(k.text("kid"), 80) + " with " + digest(strings.Join(parts, " "))
}

func find(set []jwk, id string) jwk {
	for _, k := range set {
		if k.text("kid") == id {
			return k
		}
	}
	return nil
}

func keySet(b []byte) ([]jwk, error) {
	var set struct {
		Keys []jwk `json:"keys"`
	}
	err := unambiguous(b, &set)
	return set.Keys, err
}

// unambiguous reads JSON that no other reader can take for something else.
func unambiguous(b []byte, v any) error {
	two, err := ambiguous(b)
	if err != nil {
		return err
	}
	if two != "" {
		return errors.New("an object has the names " + two + ", which others may read in another way")
	}
	return json.Unmarshal(b, v)
}
