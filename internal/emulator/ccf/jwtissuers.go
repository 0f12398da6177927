package ccf

import (
	"crypto/x509"
	"encoding/pem"
)

// tokenIssuer is an issuer whose tokens callers may bring.
type tokenIssuer struct{ bundle string }

var (
	tokenIssuerTable = table[tokenIssuer]("jwt_issuers")
	bundleTable      = table[string]("ca_cert_bundles")
)

func applyBundle(a *applying, args any) error {
	name, _ := textField(args, "name")
	bundle, _ := textField(args, "cert_bundle")
	bundleTable.put(a.tx, name, bundle)
	return nil
}

func applyRemoveBundle(a *applying, args any) error {
	name, _ := textField(args, "name")
	bundleTable.remove(a.tx, name)
	return nil
}

func applySetJWTIssuer(a *applying, args any) error {
	issuer, _ := textField(args, "issuer")
	bundle, _ := textField(args, "ca_cert_bundle_name")
	tokenIssuerTable.put(a.tx, issuer, tokenIssuer{bundle})
	return applyJWTKeys(a, args)
}

func applySetJWTKeys(a *applying, args any) error {
	issuer, _ := textField(args, "issuer")
	if _, ok := tokenIssuerTable.get(a.tx, issuer); !ok {
		return throw("Error: issuer %s not found", issuer)
	}
	return applyJWTKeys(a, args)
}

// showJWK shows whose tokens are believed, and by which keys.
func (c *call) showJWK() (any, error) {
	issuers, keys, bundles := obj(), obj(), obj()
	for _, name := range tokenIssuerTable.keys(c.tx) {
		i, _ := tokenIssuerTable.get(c.tx, name)
		issuer := obj("autoRefresh", false)
		if i.bundle != "" {
			issuer.set("caCertBundleName", i.bundle)
		}
		issuers.set(name, issuer)
	}
	for _, kid := range tokenKeyTable.keys(c.tx) {
		k, _ := tokenKeyTable.get(c.tx, kid)
		der, err := x509.MarshalPKIXPublicKey(k.public)
		if err != nil {
			return nil, throw("Error: %v", err)
		}
		keys.set(kid, []any{obj("constraint", nil, "issuer", k.issuer,
			"publicKey", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))})
	}
	for _, name := range bundleTable.keys(c.tx) {
		bundle, _ := bundleTable.get(c.tx, name)
		bundles.set(name, bundle)
	}
	return obj("caCertBundles", bundles, "issuers", issuers, "keys", keys), nil
}
