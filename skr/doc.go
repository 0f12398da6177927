// Package skr gets keys out of Azure key vaults by attestation: secure key
// release.
//
// A program in a confidential container group proves what it is with an
// SEV-SNP report. Azure Attestation (MAA) turns the report into a signed token,
// and a premium key vault or Managed HSM releases a key to whoever shows a
// token that satisfies the key's release policy. The key comes back encrypted
// to a transfer key that was hashed into the report, so nobody between the vault
// and the attested program can read it.
//
// A room that wants a secret which somebody wrapped under a key encryption key
// (KEK) writes
//
//	device, err := snp.OpenDevice(nil) // package skr/snp
//	...
//	releaser, err := skr.NewReleaser(device, nil)
//	...
//	defer releaser.Close()
//	unwrapper, err := skr.NewSecretUnwrapper(releaser, credential, nil)
//	...
//	password, err := unwrapper.Unwrap(ctx, ref) // ref comes from a document
//
// and whoever owns the KEK decides with a [ReleasePolicy] which rooms those are.
//
// # What is verified
//
// The token: RS256 only, under a key that was fetched from the configured host
// and not from the address in the token; issuer, lifetime, nonce, and that it
// speaks of exactly our transfer key. The release response: RS256, a chain to
// [ReleaserOptions.Roots] for the vault's own name, that request and response
// are about the key asked for, and that the private key fits the published one.
// Each is a list of [Check] values in a fixed order.
//
// # Where keys live
//
// The transfer key and released keys live in this process only. A [Releaser]
// keeps a released key for its TTL, so that N secrets under one KEK cost one
// attestation, one release and N reads. [ReleasedKey] and [AttestationToken]
// never print their value. Buffers of this package are cleared after use; the
// copies that crypto/rsa makes cannot be.
//
// # Sidecars
//
// Where the platform's sidecars run, a [SidecarClient] is an [Attester], and
// [NewSidecarReleaser] has it release keys too; [NewSidecarCredential] is the
// credential of an identity behind the identity sidecar. Sidecars are spoken to
// on literal loopback addresses only. Prefer the sidecar as an attester: then
// the vault's signed answer is verified here as well. [SecretsSidecar] is a
// fallback.
//
// # Errors
//
// A refusal is a [*DeniedError]: it names each failed check with what was
// wanted, what was got and what to do. When a vault answers 403 the key's own
// policy is read, if the identity may, and compared with the token's claims.
// errors.As reaches the service's *azcore.ResponseError. 400, 401, 403 and 404
// are never retried; 408, 429 and 5xx are, as the client options say. No
// redirect is followed.
//
// # Compatibility
//
// Requests are those of Azure Attestation 2022-08-01 and of the Key Vault API
// version that azkeys speaks. Secrets are wrapped as the az cleanroom extension
// wraps them: RSA-OAEP with SHA-256, base64, one vault secret each. The default
// algorithm of a release is RSA_AES_KEY_WRAP_256, since the vault's default uses
// SHA-1; a vault that refuses it is asked for its own. RSA and octet keys are
// released, keys on a curve are refused. The reference room reads secrets under
// RSA keys alone.
package skr
