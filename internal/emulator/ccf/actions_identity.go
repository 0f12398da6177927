package ccf

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"math/big"
)

// identityActions register callers that are no members: certificate users,
// and users of an identity provider with its signing keys.
var identityActions = map[string]definition{
	"set_user":                    {validate: check(certificate("cert"), optionalType("object", "user_data")), apply: applySetUser},
	"remove_user":                 {validate: check(entity("user_id")), apply: applyRemoveUser},
	"set_user_data":               {validate: check(entity("user_id"), optionalType("object", "user_data")), apply: applySetUserData},
	"set_jwt_issuer":              {validate: validateJWTIssuer, apply: applySetJWTIssuer},
	"remove_jwt_issuer":           {validate: check(is("string", "issuer")), apply: applyRemoveJWTIssuer},
	"set_jwt_public_signing_keys": {validate: check(is("string", "issuer"), jwks), apply: applySetJWTKeys},
	"set_user_identity":           {validate: check(is("string", "id"), oneOf("accountType", "microsoft"), optionalType("string", "invitationId"), is("object", "data"), tenantOfUser), apply: applySetUserIdentity},
	"remove_user_identity":        {validate: check(is("string", "id")), apply: applyRemoveUserIdentity},

	"set_user_invitation_by_jwt_claims":    {validate: validateInvitation, apply: applyInvitation},
	"remove_user_invitation_by_jwt_claims": {validate: check(is("string", "invitationId")), apply: applyRemoveInvitation},
}

func applySetUser(a *applying, args any) error {
	text, _ := textField(args, "cert")
	cert, err := parseCertificate(text)
	if err != nil {
		return err
	}
	certUserTable.put(a.tx, memberID(cert), certUser{text, field(args, "user_data")})
	return nil
}

func applyRemoveUser(a *applying, args any) error {
	id, _ := textField(args, "user_id")
	certUserTable.remove(a.tx, id)
	return nil
}

func applySetUserData(a *applying, args any) error {
	id, _ := textField(args, "user_id")
	u, ok := certUserTable.get(a.tx, id)
	if !ok {
		return throw("Error: User %s does not exist", id)
	}
	u.data = field(args, "user_data")
	certUserTable.put(a.tx, id, u)
	return nil
}

// jwks wants a key set whose keys carry a certificate each.
func jwks(args any) error {
	_, err := signingKeys(args)
	return err
}

// signingKeys reads jwks.keys by kid. Of two keys with one kid the node takes
// the first.
func signingKeys(args any) (map[string]crypto.PublicKey, error) {
	list, ok := field(field(args, "jwks"), "keys").([]any)
	if !ok {
		return nil, throw("Error: jwks.keys must be an array")
	}
	keys := map[string]crypto.PublicKey{}
	for _, k := range list {
		kid, ok := textField(k, "kid")
		if !ok {
			return nil, throw("Error: a key of jwks needs kid")
		}
		key, err := signingKey(k, kid)
		if err != nil {
			return nil, err
		}
		if _, taken := keys[kid]; !taken {
			keys[kid] = key
		}
	}
	return keys, nil
}

// signingKey prefers the numbers of an RSA key to x5c[0], as the node does. It
// would prefer a point on a curve as well, which is not emulated.
func signingKey(k any, kid string) (crypto.PublicKey, error) {
	if textOf(k, "n") != "" && textOf(k, "e") != "" {
		n, errN := base64.RawURLEncoding.DecodeString(textOf(k, "n"))
		e, errE := base64.RawURLEncoding.DecodeString(textOf(k, "e"))
		if errN != nil || errE != nil || len(e) > 3 {
			return nil, throw("Error: key %s is no RSA key", kid)
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, nil
	}
	if textOf(k, "x") != "" && textOf(k, "y") != "" {
		return nil, throw("Error: key %s is on a curve, which this emulated network does not take", kid)
	}
	chain, _ := field(k, "x5c").([]any)
	if len(chain) == 0 {
		return nil, throw("Error: JWKS kid %s has neither RSA/EC public key or x5c", kid)
	}
	der, err := base64.StdEncoding.DecodeString(display(chain[0]))
	if err != nil {
		return nil, throw("Error: x5c of key %s is not base64", kid)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, throw("Error: x5c of key %s is no certificate", kid)
	}
	return cert.PublicKey, nil
}

func textOf(v any, name string) string {
	s, _ := textField(v, name)
	return s
}

func validateJWTIssuer(_ *tx, args any) error {
	if err := checkAll(args, []rule{is("string", "issuer"), optionalType("boolean", "auto_refresh"), optionalType("string", "ca_cert_bundle_name")}); err != nil {
		return err
	}
	if truthy(field(args, "auto_refresh")) {
		return throw("Error: auto_refresh is not available in this emulated network, which calls nobody; pass jwks")
	}
	return optional("jwks", jwks)(args)
}

// applyJWTKeys replaces the issuer's keys by those given, if any are.
func applyJWTKeys(a *applying, args any) error {
	issuer, _ := textField(args, "issuer")
	if v := field(args, "jwks"); v == nil || v == undefined {
		return nil
	}
	keys, err := signingKeys(args)
	if err != nil {
		return err
	}
	removeIssuerKeys(a.tx, issuer)
	for kid, key := range keys {
		tokenKeyTable.put(a.tx, kid, tokenKey{issuer, key})
	}
	return nil
}

func applyRemoveJWTIssuer(a *applying, args any) error {
	issuer, _ := textField(args, "issuer")
	removeIssuerKeys(a.tx, issuer)
	tokenIssuerTable.remove(a.tx, issuer)
	return nil
}

func removeIssuerKeys(x *tx, issuer string) {
	for _, kid := range tokenKeyTable.keys(x) {
		if k, _ := tokenKeyTable.get(x, kid); k.issuer == issuer {
			tokenKeyTable.remove(x, kid)
		}
	}
}

func tenantOfUser(args any) error {
	return checkAll(field(args, "data"), []rule{is("string", "tenantId"), optionalType("string", "identifier")})
}

func applySetUserIdentity(a *applying, args any) error {
	id, _ := textField(args, "id")
	account, _ := textField(args, "accountType")
	tokenUserTable.put(a.tx, id, tokenUser{account, field(args, "invitationId"), field(args, "data")})
	if invitationID, ok := textField(args, "invitationId"); ok {
		finalTable.put(a.tx, invitationID, id)
	}
	return nil
}

func applyRemoveUserIdentity(a *applying, args any) error {
	id, _ := textField(args, "id")
	tokenUserTable.remove(a.tx, id)
	return nil
}
