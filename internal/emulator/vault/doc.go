// Package vault emulates the data plane of premium Key Vaults (api-versions 7.x
// and the dated ones): keys with release policies, their secure release, and
// secrets. One server answers for every *.vault.azure.net host that
// [Options.TenantID] knows.
//
// A caller without a token is challenged with the vault's tenant; one with a
// token needs a grant for each data action. A release verifies the attestation
// token with the keys that its authority publishes, evaluates the key's policy
// against the claims, wraps the private key for the key in x-ms-runtime and
// answers a JWS signed with the vault's own certificate. Refusals carry the
// service's codes.
//
// RSA keys, which clean rooms use as key encryption keys, are imported or made
// here. Keys on a curve, with which members sign, are made in the vault and never
// leave it, alone or with a certificate that signs itself.
//
// With [Options.ManagedHSM] the server is a set of Managed HSMs: keys only,
// octet keys among them, which also wrap in place; tokens for another resource;
// local roles with scopes; and an activation before the first use.
package vault
