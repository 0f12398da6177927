// Package entra emulates the token authority of Microsoft Entra as far as
// clients with their own credentials need it: discovery of the instance and of
// tenants, and the client credentials grant with a secret or with the assertion
// of a federated issuer.
//
// A federated assertion is judged as the service judges it: its issuer, subject
// and audience must match a registered credential, its signature must verify
// with the keys that the issuer publishes, and its time must be now. Each
// refusal carries the service's AADSTS number. Access tokens are RS256 JWTs
// that [Server.Verify] accepts for their own audience only.
package entra
