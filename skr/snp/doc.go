// Package snp reads, verifies and makes AMD SEV-SNP attestation reports.
//
// Inside a room the first call is [OpenDevice]: it gives the skr.Attester that
// the rest of this module asks for evidence. A party that receives evidence
// makes a [Verifier], asks it whether the evidence is authentic, and then asks
// [Validate] whether the guest is one it wants to talk to:
//
//	result, err := snp.NewVerifier(nil).Verify(evidence)
//	...
//	_, err = snp.Validate(result, &snp.ValidateOptions{HostData: [][]byte{accepted}, UVM: &snp.UVMPolicy{MinSVN: 100}})
//
// # Trust
//
// [NewVerifier] trusts the roots of AMD that are compiled in, Microsoft's issuer
// of utility VM endorsements, and nothing else: what comes with evidence is
// never its own root. The only way to trust others is the constructor that says
// so, [NewVerifierWithTestRoots], and a verifier made by it trusts AMD and
// Microsoft no more. Both work offline; revocation is not looked up.
//
// # Checks
//
// Each result is an ordered list of checks. Their ids are stable:
//
//	id                      by        what must hold
//	report.format           Verify    1184 bytes of a known version, reserved fields zero
//	report.signing-key      Verify    the report was signed by a VCEK
//	report.certificates     Verify    a VCEK came with the report
//	report.chain            Verify    the VCEK was issued under a trusted root, and is valid now
//	report.product          Verify    processor and root are of one product line
//	report.signature        Verify    the VCEK's key signed the report
//	report.vcek-extensions  Verify    the VCEK names a TCB and a chip
//	report.tcb              Verify    it names the report's reported TCB
//	report.chip-id          Verify    it names the report's chip
//	report.runtime-data     Verify    REPORT_DATA is the runtime data's SHA-256 and 32 zero bytes
//	uvm.format              Verify    the endorsement is a COSE_Sign1 message of a known form
//	uvm.issuer              Verify    it names a trusted did:x509
//	uvm.chain               Verify    its certificates lead to the authority of that DID
//	uvm.signature           Verify    the first of them signed it
//	report.verified         Validate  every check of the verification passed
//	report.host-data        Validate  HOST_DATA is an accepted security policy's
//	report.measurement      Validate  the launch measurement is an accepted one
//	report.debug            Validate  the host cannot debug the guest
//	report.migration        Validate  nobody else may carry the guest's memory away
//	report.vmpl             Validate  the privilege level that asked is low enough
//	report.guest-svn        Validate  the guest's security version is high enough
//	report.minimum-tcb      Validate  each component of the reported TCB is high enough
//	uvm.present             Validate  the utility VM is endorsed
//	uvm.feed                Validate  as the accepted product
//	uvm.svn                 Validate  with a security version that is high enough
//	uvm.measurement         Validate  for the report's launch measurement
//
// The checks of an endorsement are made by Verify if the evidence has one, and
// by Validate if the options ask for one. A list ends early where nothing behind
// a failed check could be read.
//
// # Certificates
//
// A report is good for nothing without the certificate of its processor at its
// TCB, and a host can be updated while its guests run. The certificates
// therefore come from a [ChainSource] that is asked for each report, never from
// what was true at the start: [HostChain] reads the container group's file,
// [THIMChain], [AzureCacheChain] and [AMDChain] ask services, [FirstChain] tries
// several, and a [ChainCache] keeps what was found, in memory and on disk.
// [DefaultChain] is what confidential ACI needs.
//
// # Errors
//
// A refused report is a *skr.DeniedError. The result comes back beside it, with
// every check that could be made, so that a log shows what was wrong. A
// service's refusal is reached with errors.As as *azcore.ResponseError.
//
// # Compatibility
//
// Reports of versions 2 to 5, VCEK signatures of Milan, Genoa and Turin; no
// VLEK. The guest drivers of Linux 5 (/dev/sev) and 6 (/dev/sev-guest). Utility
// VM endorsements in the two forms of confidential ACI: iss and feed in the
// header, and CWT claims.
package snp
