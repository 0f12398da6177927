// Package vaultsigner signs as a member with a key that never leaves its vault.
//
// A member whose certificate and key were made in an Azure Key Vault:
//
//	member, err := vaultsigner.Member(ctx, "https://contoso.vault.azure.net/certificates/member", credential, nil)
//	...
//	client, err := governance.NewClient(endpoint, member, options)
//
// For a key alone, [New] gives a [crypto.Signer], and [Signer.SelfSigned] the
// certificate that makes a member of it:
//
//	signer, err := vaultsigner.New(ctx, "https://contoso.vault.azure.net/keys/member", credential, nil)
//	...
//	cert, err := signer.SelfSigned("publisher", 0)
//	...
//	member, err := governance.NewMember(cert, signer)
//
// # What is signed where
//
// The vault gets digests alone, SHA-256 on P-256, SHA-384 on P-384 and SHA-512
// on P-521, with the algorithms ES256, ES384 and ES512. It answers r and s one
// after the other; a Signer gives them in ASN.1 DER, as TLS and COSE libraries
// want them of a crypto.Signer. Every signature is verified with the public key
// before it is used. A client signs each governance message, and once for each
// TLS connection.
//
// # Contexts and time
//
// A crypto.Signer has no context. The one given to New or Member bounds the
// later signatures too, and each has [Options].Timeout; [Signer.WithContext]
// binds another.
//
// # Errors
//
// The vault's refusals are *azcore.ResponseError, reachable with errors.As, and
// come with a remedy. The identity needs the role Key Vault Crypto User to sign
// (action keys/sign/action) and to read the key (keys/read), and Key Vault
// Certificate User to read a certificate (certificates/read).
//
// # Compatibility
//
// The data plane of Key Vault, api-version 7.4 for certificates and that of
// azkeys for keys. A Managed HSM holds keys and no certificates.
package vaultsigner
