// Package snp reads, verifies and makes AMD SEV-SNP attestation reports.
//
// Inside a room the first call is [OpenDevice]: it gives the skr.Attester that
// the rest of this module asks for evidence. A party that receives evidence
// makes a [Verifier], asks it whether the report is authentic, and then asks
// [Validate] whether the guest is one it wants to talk to:
//
//	result, err := snp.NewVerifier(nil).Verify(evidence)
//	...
//	_, err = snp.Validate(result.Report, &snp.ValidateOptions{HostData: [][]byte{accepted}})
//
// # Trust
//
// [NewVerifier] trusts the roots of AMD that are compiled in, and nothing else:
// the chain that comes with evidence is never its own root. The only way to
// trust another root is the constructor that says so, [NewVerifierWithTestRoots],
// and a verifier made by it trusts AMD no more. Both work offline; revocation
// is not looked up.
//
// # Errors
//
// A refused report is a *skr.DeniedError. The result comes back beside it, with
// every check that could be made, so that a log shows what was wrong.
//
// # Compatibility
//
// Reports of versions 2 to 5, VCEK signatures of Milan, Genoa and Turin. The
// package stands apart from skr because its dependency, go-sev-guest, registers
// flags on flag.CommandLine when it is imported. The device of Linux 5.x,
// /dev/sev, is not supported: confidential ACI has /dev/sev-guest.
package snp
