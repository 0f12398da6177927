// Package snpmachine emulates a host that runs AMD SEV-SNP guests.
//
// A [Machine] has a certificate chain of its own in the form of AMD's (ARK,
// ASK, VCEK with the TCB, chip and product extensions) and a signer of utility
// VM endorsements. A [Guest] is launched with a policy whose digest becomes its
// host data, and asks for reports as a real guest does.
//
// Nothing here chains to AMD: a verifier that trusts AMD's roots refuses every
// report of this package, and [Machine.Verify] refuses every genuine one.
package snpmachine
