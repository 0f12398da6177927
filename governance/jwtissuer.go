package governance

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// JWTIssuer is an issuer whose tokens the members want to believe: whoever it
// gives a registered user's object id and tenant is that user. Keys that are
// given here say who signs, so look at them before you vote.
type JWTIssuer struct {
	// Issuer is the claim iss of its tokens.
	Issuer string
	// Keys is a JWK set (RFC 7517) whose keys have kid and x5c; nil means none.
	// It replaces the issuer's keys.
	Keys json.RawMessage
	// AutoRefresh lets the service fetch the keys itself, from the issuer's
	// https URL and with the authorities of CACertBundleName, which
	// [SetCACertBundle] made.
	AutoRefresh      bool
	CACertBundleName string
}

// SetJWTIssuer makes the service believe an issuer's tokens. An operator can
// have it without the members' votes.
func SetJWTIssuer(i JWTIssuer) Action {
	return Action{"set_jwt_issuer", struct {
		Issuer           string          `json:"issuer"`
		AutoRefresh      bool            `json:"auto_refresh"`
		CACertBundleName string          `json:"ca_cert_bundle_name,omitempty"`
		Keys             json.RawMessage `json:"jwks,omitempty"`
	}{i.Issuer, i.AutoRefresh, i.CACertBundleName, i.Keys}}
}

// SetJWTKeys replaces the keys of an issuer that is believed already.
func SetJWTKeys(issuer string, keys json.RawMessage) Action {
	return Action{"set_jwt_public_signing_keys", struct {
		Issuer string          `json:"issuer"`
		Keys   json.RawMessage `json:"jwks"`
	}{issuer, keys}}
}

// RemoveJWTIssuer removes an issuer with its keys.
func RemoveJWTIssuer(issuer string) Action {
	return Action{"remove_jwt_issuer", struct {
		Issuer string `json:"issuer"`
	}{issuer}}
}

// SetCACertBundle stores certificates of authorities, in PEM, under a name.
func SetCACertBundle(name string, bundlePEM []byte) Action {
	return Action{"set_ca_cert_bundle", struct {
		Name   string `json:"name"`
		Bundle string `json:"cert_bundle"`
	}{name, string(bundlePEM)}}
}

// RemoveCACertBundle removes it.
func RemoveCACertBundle(name string) Action {
	return Action{"remove_ca_cert_bundle", struct {
		Name string `json:"name"`
	}{name}}
}

// TrustedIssuer is an issuer whose tokens the service believes.
type TrustedIssuer struct {
	Issuer           string
	AutoRefresh      bool
	CACertBundleName string
	Keys             []TrustedKey
}

// TrustedKey is a key by which it signs.
type TrustedKey struct {
	// ID is the claim kid of the tokens' headers.
	ID string
	// PublicKeyPEM is the key; older nodes show its certificate instead.
	PublicKeyPEM []byte
	// Constraint is what the claim iss must fit besides, empty for none.
	Constraint string
}

// TrustedIssuers lists the issuers whose tokens let users in, in order of their
// names. Keys of an issuer that was not set are shown under its name as well.
func (c *Client) TrustedIssuers(ctx context.Context) (_ []TrustedIssuer, err error) {
	ctx, end := c.wire.tracer.Start(ctx, "TrustedIssuers")
	defer end(&err)
	var raw json.RawMessage
	const op = "list trusted issuers"
	if err := c.gov(ctx, op, "/gov/service/jwk", &raw); err != nil {
		return nil, err
	}
	list, err := parseTrustedIssuers(raw)
	if err != nil {
		return nil, fmt.Errorf("governance: %s: the answer is not what the service sends: %w", op, err)
	}
	return list, nil
}

func parseTrustedIssuers(b []byte) ([]TrustedIssuer, error) {
	var doc struct {
		Issuers map[string]struct {
			AutoRefresh      bool   `json:"autoRefresh"`
			CACertBundleName string `json:"caCertBundleName"`
		} `json:"issuers"`
		Keys map[string][]struct {
			PublicKey   string `json:"publicKey"`
			Certificate string `json:"certificate"`
			Issuer      string `json:"issuer"`
			Constraint  string `json:"constraint"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, err
	}
	all := map[string]TrustedIssuer{}
	for name, i := range doc.Issuers {
		all[name] = TrustedIssuer{Issuer: name, AutoRefresh: i.AutoRefresh, CACertBundleName: i.CACertBundleName}
	}
	for _, kid := range slices.Sorted(maps.Keys(doc.Keys)) {
		for _, k := range doc.Keys[kid] {
			i := all[k.Issuer]
			i.Issuer = k.Issuer
			key := TrustedKey{kid, []byte(k.PublicKey), k.Constraint}
			if k.PublicKey == "" {
				key.PublicKeyPEM = []byte(k.Certificate)
			}
			i.Keys = append(i.Keys, key)
			all[k.Issuer] = i
		}
	}
	list := make([]TrustedIssuer, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, all[name])
	}
	return list, nil
}
